import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dist2_robot.deploy.link import ChunkRequest, TimedChunk
from dist2_robot.deploy.serving.messages import (
    card_message,
    chunk_message,
    read_card,
    read_chunk,
    read_request,
    request_message,
)
from dist2_robot.deploy.serving.schema import FROM_CLIENT, FROM_SERVER, MessageError, check_message, check_version
from dist2_robot.deploy.wire import WireError, pack, unpack
from dist2_robot.types import ObservationSpec
from tests.deploy.policies import STATE, card, request

CHUNK = TimedChunk(4, 2.5, np.ones((3, 2), np.float32), np.ones(3, np.float32), np.ones((3, 2), np.float32), 0.01)


def travelled(message, allowed):
    arrived = unpack(pack(message))
    check_message(arrived, allowed)
    return arrived


def equal(x, y):
    if isinstance(x, dict):
        return x.keys() == y.keys() and all(equal(x[name], y[name]) for name in x)
    return np.array_equal(x, y) and getattr(x, "dtype", None) == getattr(y, "dtype", None)


def test_a_card_arrives_as_it_was():
    assert read_card(travelled(card_message(card()), FROM_SERVER)) == card()


def test_a_card_arrives_with_its_units_which_older_programs_pass_over():
    told = card(observation_units={STATE: ["deg", "?"]})
    message = travelled(card_message(told), FROM_SERVER)
    assert read_card(message) == told
    assert message.keys() == card_message(card()).keys()
    assert ObservationSpec.from_dict(message["observation"]) == told.observation
    before = {**message, "observation": told.observation.to_dict()}  # of an older server
    assert read_card(before).observation_units == {}


@pytest.mark.parametrize("task", [None, "Push."])
def test_a_request_arrives_as_it_was(task):
    sent = ChunkRequest(7, 1.5, request().features, np.ones((2, 2), np.float32), task)
    found = read_request(travelled(request_message(sent), FROM_CLIENT))
    assert all(equal(vars(found)[name], value) for name, value in vars(sent).items())


@pytest.mark.parametrize("part", [None, "entropy", "expected_error"])
def test_a_chunk_arrives_as_it_was(part):
    sent = TimedChunk(**vars(CHUNK) | ({} if part is None else {part: None}))
    found = read_chunk(travelled(chunk_message(sent), FROM_SERVER))
    assert all(equal(vars(found)[name], value) for name, value in vars(sent).items())


@pytest.mark.fault("S5")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sequence", -1),
        ("sequence", 1.0),
        ("sequence", True),
        ("observed_s", math.nan),
        ("observed_s", 1),
        ("features", []),
        ("features", {STATE: [0.0, 0.0]}),
        ("features", {STATE: np.zeros(2)}),
        ("features", {STATE: np.zeros((1, 1, 1, 1, 2), np.float32)}),
        ("features", {f"x{i}": np.zeros(1, np.float32) for i in range(65)}),
        ("prefix", np.zeros(2, np.float32)),
        ("prefix", np.zeros((1, 2))),
        ("task", 3),
        ("task", "x" * 5000),
        ("extra", None),
        ("type", "chunk"),
        ("type", ["request"]),
    ],
)
def test_a_request_that_breaks_the_schema_is_refused(name, value):
    with pytest.raises(MessageError, match=r"^[^\n]{1,400}$"):
        check_message(request_message(request()) | {name: value}, FROM_CLIENT)


@pytest.mark.fault("S5")
@pytest.mark.parametrize("name", request_message(request()))
def test_a_request_that_lacks_an_entry_is_refused(name):
    message = request_message(request())
    del message[name]
    with pytest.raises(MessageError):
        check_message(message, FROM_CLIENT)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("spec", {}),
        ("spec", {"dimensions": [1]}),
        ("observation", {"numbers": 3}),
        ("observation", {}),
        ("observation", {"numbers": {STATE: 2}, "units": {STATE: "deg"}}),
        ("observation", {"numbers": {STATE: 2}, "units": ["deg", "deg"]}),
    ],
)
def test_a_card_that_describes_nothing_is_refused(name, value):
    with pytest.raises(MessageError, match=r"^'card' describes no policy: [^\n]+$"):
        read_card(card_message(card()) | {name: value})


def test_another_version_is_refused():
    with pytest.raises(MessageError, match="version 2"):
        check_version({"type": "hello", "version": 2})


@pytest.mark.fault("S5")
@given(st.binary(max_size=300))
def test_random_bytes_are_refused_in_one_way(data):
    try:
        message = unpack(data)
    except WireError:
        return
    with pytest.raises(MessageError):
        check_message(message, FROM_CLIENT)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = [*request_message(request()), "version", "x"]


@pytest.mark.fault("S5")
@settings(max_examples=40)
@given(st.sampled_from(FROM_CLIENT), st.dictionaries(st.sampled_from(KEYS), PLAIN, max_size=7))
def test_random_messages_are_refused_in_one_way_or_valid(kind, entries):
    message = entries | {"type": kind}
    try:
        check_message(message, FROM_CLIENT)
    except MessageError:
        return
    assert kind in ("hello", "reset", "health", "metrics", "bye")


@pytest.mark.fault("S5")
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_message_with_a_byte_changed_is_refused_in_one_way_or_valid(place, byte):
    data = bytearray(pack(request_message(request())))
    data[place % len(data)] = byte
    try:
        message = unpack(bytes(data))
        check_message(message, FROM_CLIENT)
        read_request(message)
    except (WireError, MessageError):
        pass
