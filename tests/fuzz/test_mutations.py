"""Every case can be made, whatever stands in the place of a file, and in bounded memory."""

import json
import random

import pyarrow as pa

from tests.fuzz.mutations import sign
from tests.fuzz.tables import LONG, _metadata, _revalue


def test_long_lists_in_many_rows_are_bounded_together():
    table = pa.table({"action": pa.array([[0.0, 1.0, 2.0]] * 300)})
    lengths = [len(_revalue(table, random.Random(seed))["action"].combine_chunks().flatten()) for seed in range(40)]
    assert max(lengths) > LONG / 4  # there are long ones
    assert max(lengths) < 2 * LONG


def test_a_link_to_itself_is_not_signed(tmp_path):
    (tmp_path / "model.safetensors").symlink_to("model.safetensors")
    (tmp_path / "manifest.json").write_text(json.dumps({"files": {"model.safetensors": "0"}}))
    sign(tmp_path)


def test_metadata_that_are_no_json_any_more_are_changed_again():
    table = pa.table({"a": [1]}).replace_schema_metadata({b"pandas": b"{"})
    for seed in range(20):
        _metadata(table, random.Random(seed))
