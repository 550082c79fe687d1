"""Files with all that an attacker, a broken disk or a careless program may do to them, through whatever reads them.

Each is read, or refused in one line that names it. Nothing of it is run, nobody is asked, nothing goes to the network
or is written elsewhere, within bounds of memory and time. A case is its kind and its seed, and is tried again by name::

    pytest -m "" "tests/fuzz/test_files.py::test_a_changed_file_is_read_or_refused[manifest-17]"

``DIST2_FUZZ_FIRST=1000`` takes other seeds, from that number on.
"""

import os
import sys

import pytest

from tests.fuzz.fuzzer import Fuzzer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is bounded as on Linux")
CASES = 1500
FIRST = int(os.environ.get("DIST2_FUZZ_FIRST", "0"))
QUICK_KINDS = (
    *("manifest", "weights", "golden", "lerobot", "run", "simulated_run", "info", "recording", "data", "tables"),
    "spec",
    *("distances_npy", "distances_csv", "distances_json", "ratings", "deployment", "npz", "lerobot_v2", "study"),
    "access",
)
QUICK_EACH = 3
# All others, which are many, only where the tests are slow ones: their sound files take a while to make.
KIND_NAMES = (
    *QUICK_KINDS,
    *("training_state", "tokenizer", "reward_model", "frame_predictor", "language_checkpoint", "told_checkpoint"),
    *("export", "traced", "readme", "pictures", "video", "rated", "lerobot_v3", "zarr", "zarr3", "zarr_zip"),
    *("robomimic", "aloha", "minari", "d4rl", "npz_numbered", "rlds", "claim", "language_model", "text_model"),
)
BAD_QUICK = {
    **dict.fromkeys(("runs_a_program", "runs_a_shell", "imports_what_lies_there", "runs_what_lies_there"), "watched"),
    **dict.fromkeys(("unpickles", "asks_a_person", "reads_the_terminal", "goes_to_the_network", "connects"), "watched"),
    **{"writes_outside": "watched", "fails": "error", "dies": "killed", "prints_to_the_terminal": "message"},
    **dict.fromkeys(("allocates_numbers", "allocates_tensors", "refuses_for_lack_of_memory"), "memory"),
    **dict.fromkeys(("refuses_namelessly", "refuses_with_what_lies_outside"), "message"),
}
BAD_SLOW = dict.fromkeys(("sleeps", "turns"), "hang")


def _cases() -> list:
    each = -(-CASES // len(KIND_NAMES))
    return [
        pytest.param(
            kind,
            FIRST + i,
            id=f"{kind}-{FIRST + i}",
            marks=() if kind in QUICK_KINDS and i < QUICK_EACH else pytest.mark.slow,
        )
        for kind in KIND_NAMES
        for i in range(each)
    ]


@pytest.mark.fault("A8")
@pytest.mark.fault("A12")
@pytest.mark.parametrize(("kind", "seed"), _cases())
def test_a_changed_file_is_read_or_refused(fuzzer: Fuzzer, kind: str, seed: int) -> None:
    verdict = fuzzer.run(kind, seed)
    where = f"{verdict['reader']} of {verdict['file']}"
    assert verdict["outcome"] in ("loaded", "refused"), f"{verdict['outcome']}: {where}\n{verdict['text']}"


@pytest.mark.slow
@pytest.mark.parametrize("kind", KIND_NAMES)
def test_a_sound_file_is_read_by_all_who_see_it(fuzzer: Fuzzer, kind: str) -> None:
    for reader in range(fuzzer.readers()[kind]):
        verdict = fuzzer.run(kind, None, reader)
        assert verdict["outcome"] == "loaded", f"{verdict['reader']}: {verdict['text']}"


@pytest.mark.slow
def test_all_kinds_are_tried(fuzzer: Fuzzer) -> None:
    assert set(fuzzer.readers()) == set(KIND_NAMES)


@pytest.mark.parametrize(
    ("reader", "outcome"),
    [*BAD_QUICK.items(), *(pytest.param(*pair, marks=pytest.mark.slow) for pair in BAD_SLOW.items())],
)
def test_a_bad_reader_is_found(fuzzer: Fuzzer, reader: str, outcome: str) -> None:
    assert fuzzer.run(reader, None)["outcome"] == outcome
