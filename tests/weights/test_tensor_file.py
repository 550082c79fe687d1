"""A safetensors file that anyone may have made costs little and is refused in words."""

import json
import struct
import time
import tracemalloc

import pytest
import torch
from safetensors.torch import save_file

from dist2_robot.weights.tensor_file import MAX_HEADER_BYTES, MAX_TENSORS, load_tensors


def entry(dtype="F32", shape=(2,), offsets=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def craft(path, header, data=b"", length=None):
    """Write a file with a header of one's own."""
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(header) if length is None else length) + header + data)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.safetensors"


def test_what_was_saved_is_loaded(path):
    tensors = {
        "a": torch.randn(3, 4),
        "scalar": torch.tensor(7),
        "empty": torch.zeros(0, 5),
        "flags": torch.tensor([True, False]),
        "half": torch.ones(2, dtype=torch.bfloat16),
    }
    save_file(tensors, path, metadata={"format": "pt"})
    loaded = load_tensors(path)
    assert loaded.keys() == tensors.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())
    assert all(loaded[name].dtype == tensor.dtype for name, tensor in tensors.items())


@pytest.mark.fault("S4")
@pytest.mark.parametrize("length", [MAX_HEADER_BYTES + 1, 2**40, 2**60, 2**64 - 1])
def test_a_huge_header_is_refused_before_it_is_read(path, length):
    craft(path, b"{}", length=length)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=f"declares {length} bytes"):
            load_tensors(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.fault("S4")
def test_too_many_tensors_are_refused(path):
    empty = b'{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'
    for count, says in ((1_000_000, "header declares"), (MAX_TENSORS + 1, f"declares {MAX_TENSORS + 1} tensors")):
        craft(path, b"{" + b",".join(b'"%d":%b' % (i, empty) for i in range(count)) + b"}")
        begin_s = time.process_time()  # our own work, however busy the machine is
        with pytest.raises(ValueError, match=says):
            load_tensors(path)
        assert time.process_time() - begin_s < 3


@pytest.mark.fault("S4")
@pytest.mark.parametrize(
    ("header", "data"),
    [
        ({"a": entry(), "b": entry(offsets=(4, 12))}, b"\0" * 12),  # they overlap
        ({"a": entry(), "b": entry(offsets=(12, 20))}, b"\0" * 20),  # a gap
        ({"a": entry()}, b"\0" * 12),  # more numbers than are told of
        ({"a": entry()}, b"\0" * 4),  # fewer
        ({"a": entry(offsets=(8, 0))}, b"\0" * 8),
        ({"a": entry(offsets=(0, 2**64 - 1))}, b"\0" * 8),
        ({"a": entry(shape=(3,))}, b"\0" * 8),
        ({"a": entry(shape=(-2,))}, b"\0" * 8),
        ({"a": entry(shape=(2**62, 2**62))}, b"\0" * 8),  # its product overflows
        ({"a": entry(shape=(0, 2**63), offsets=(0, 0))}, b""),
        ({"a": entry(shape=(0, 2**62, 2**62), offsets=(0, 0))}, b""),
        ({"a": entry(shape=[1] * 1000, offsets=(0, 4))}, b"\0" * 4),
        ({"a": entry(shape=(True, 2))}, b"\0" * 8),
        ({"a": entry(shape="22")}, b"\0" * 8),
        ({"a": entry(dtype="F8_E5M2", shape=(8,))}, b"\0" * 8),
        ({"a": entry(dtype="object")}, b"\0" * 8),
        ({"a": {"dtype": "F32"}}, b"\0" * 8),
        ({"a": 5}, b""),
        ({"__metadata__": {"x": 5}}, b""),
        ([], b""),
        (b"", b""),
        (b"\xff\xfe", b""),
        (b"[" * 100_000, b""),
        (b'{"a":' * 50_000, b""),
        (b'{"a": ' + b"1" * 5000 + b"}", b""),
    ],
)
def test_a_header_that_lies_is_refused(path, header, data):
    craft(path, header, data)
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        load_tensors(path)


@pytest.mark.fault("S4")
@pytest.mark.parametrize("content", [b"", b"\0" * 7, struct.pack("<Q", 100) + b"{}"])
def test_a_file_that_is_cut_off_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match="cut off"):
        load_tensors(path)
