"""What comes over the wire is data, bounded, and the same as what was sent."""

import socket
import tracemalloc

import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dist2_robot.deploy.wire import (
    ARRAY,
    HEADER,
    MAX_NESTING,
    FrameReader,
    FrameWriter,
    HungUpError,
    WireError,
    frame,
    pack,
    unpack,
)


def equal(one, other) -> bool:
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(equal(a, b) for a, b in zip(one, other, strict=True))
    return type(one) is type(other) and one == other


arrays = st.builds(
    lambda dtype, shape: np.arange(np.prod(shape)).reshape(shape).astype(dtype),
    st.sampled_from(["float32", "float64", "uint8", "int64"]),
    st.lists(st.integers(0, 4), max_size=4),
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=20)
    | st.binary(max_size=20)
    | arrays
)
values = st.recursive(
    leaves, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=5), v, max_size=3), max_leaves=6
)


@given(st.dictionaries(st.text(max_size=5), values, max_size=4))
def test_a_message_comes_back(message):
    try:
        data = pack(message)
        back = unpack(data)
    except WireError as error:
        assert "nested deeper" in str(error)  # noqa: PT017 hypothesis may nest so deep
    else:
        assert equal(message, back)


def test_not_a_number_and_views_travel_too():
    pictures = np.arange(24, dtype=np.uint8).reshape(4, 6)[::2, ::-1]
    back = unpack(pack({"a": np.array([np.nan, np.inf], np.float32), "b": pictures}))
    assert np.isnan(back["a"][0])
    assert np.array_equal(back["b"], pictures)
    assert back["b"].flags.writeable


@pytest.mark.fault("S1")
@pytest.mark.parametrize(
    "value", [object(), {1: 2}.keys(), np.array([object()]), np.zeros(2, np.float16), np.array(["a"]), 2**70, {1, 2}]
)
def test_other_things_are_not_sent(value):
    with pytest.raises(WireError, match="cannot be sent"):
        pack({"a": value})


@pytest.mark.fault("S5")
@given(st.binary(max_size=200))
def test_random_bytes_are_a_message_or_an_error(data):
    try:
        assert isinstance(unpack(data), dict)
    except WireError as error:
        assert "\n" not in str(error)  # noqa: PT017


def array(dtype="float32", shape=(1,), data=b"\0\0\0\0") -> bytes:
    return msgpack.packb({"a": msgpack.ExtType(ARRAY, msgpack.packb([dtype, shape, data]))})


HOSTILE = {
    "a huge shape": array(shape=(65536, 65536, 65536)),
    "a negative shape": array(shape=(-1, -1)),
    "too few bytes": array(shape=(2,)),
    "many dimensions": array(shape=(1,) * 6),
    "an object dtype": array(dtype="object"),
    "a dtype string": array(dtype="<f4,<f4"),
    "a shape of truths": array(shape=(True,)),
    "another extension": msgpack.packb({"a": msgpack.ExtType(2, b"")}),
    "a time stamp": msgpack.packb({"a": msgpack.Timestamp(1)}),
    "a list": msgpack.packb([1]),
    "numbers as keys": msgpack.packb({1: 2}),
    "a key twice": b"\x82\xa1a\x01\xa1a\x02",
    "a truncated message": pack({"a": 1})[:-1],
    "something after it": pack({"a": 1}) + b"\0",
    "deep nesting": b"\x81\xa1a" * (MAX_NESTING + 1) + b"\x01",
    "very deep nesting": b"\x81\xa1a" + b"\x91" * 100_000 + b"\x01",
    "long lists in each other": b"\x81\xa1a" + b"\xdd\x00\x10\x00\x00" * 1000,
}


@pytest.mark.fault("S5")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_message_is_refused_with_little_memory(name):
    tracemalloc.start()
    with pytest.raises(WireError):
        unpack(HOSTILE[name])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_too_large_a_message_is_refused_on_both_sides():
    message = {"a": np.zeros(1000)}
    with pytest.raises(WireError, match="more than the 1000"):
        pack(message, max_bytes=1000)
    with pytest.raises(WireError, match="more than the 1000"):
        unpack(pack(message), max_bytes=1000)


@pytest.fixture
def pair():
    ends = socket.socketpair()
    yield ends
    for end in ends:
        end.close()


def test_frames_come_in_order_however_they_are_cut(pair):
    reader = FrameReader(pair[1])
    stream = b"".join(frame(payload) for payload in (b"one", b"", b"three"))
    got = []
    for i in range(len(stream)):
        pair[0].send(stream[i : i + 1])
        while (payload := reader.read()) is not None:
            got.append(payload)
    assert got == [b"one", b"", b"three"]
    assert reader.read(timeout_s=0.01) is None


def test_a_large_frame_goes_through_a_small_socket(pair):
    writer, reader = FrameWriter(pair[0]), FrameReader(pair[1])
    payload = bytes(range(256)) * 16384
    writer.write(payload)
    assert writer.pending
    got = None
    while got is None:
        writer.flush()
        got = reader.read()
    assert got == payload
    assert not writer.pending


@pytest.mark.fault("S5")
def test_a_frame_that_claims_to_be_huge_is_refused_at_its_header(pair):
    pair[0].send(HEADER.pack(2**31))
    with pytest.raises(WireError, match="a frame of 2147483648 bytes"):
        FrameReader(pair[1]).read()


def test_who_hangs_up_is_noticed_at_once(pair):
    writer, reader = FrameWriter(pair[0]), FrameReader(pair[0])
    pair[1].close()
    with pytest.raises(HungUpError):
        reader.read(timeout_s=5)
    with pytest.raises(HungUpError):
        writer.write(b"hello")


def test_who_does_not_read_is_given_up(pair):
    writer = FrameWriter(pair[0], max_pending=2**20)
    for _ in range(8):
        writer.write(bytes(2**17))
    with pytest.raises(WireError, match="does not read"):
        writer.write(bytes(2**20))
