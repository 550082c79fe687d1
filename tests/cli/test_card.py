"""What the cards tell."""

import json

import pytest

from dist2_robot.checkpoints.manifest import DIGEST
from dist2_robot.cli.card import card
from dist2_robot.errors import InputError
from dist2_robot.evaluation.cards import _plain
from dist2_robot.evaluation.summary import summarise
from dist2_robot.json_file import write_json
from tests.checkpoints.saved import save
from tests.data.recordings import TASK, write_reach

CONFIG = {"evaluation": None, "title": None, "licence": "mit", "overwrite": False}


def episodes(successes, count):
    outcomes = ["success"] * successes + ["failure"] * (count - successes)
    return [
        {"index": i, "seed": i, "outcome": outcome, "steps": 9, "success_step": 5, "success_at_end": True, "jerk": 0.0}
        for i, outcome in enumerate(outcomes)
    ]


def test_of_a_checkpoint(tmp_path):
    folder = save(tmp_path, 7)
    assert card({**CONFIG, "of": str(tmp_path)}) == 0
    text = (folder / "README.md").read_text()
    assert text.startswith("---\nlicense: mit\n")
    assert "| x | ee_position | cm | -1 | 1 | 0.05 |" in text
    assert "has not been measured" in text
    assert "| training steps | 7 |" in text


def test_with_results(tmp_path):
    folder = save(tmp_path, 7)
    write_json(tmp_path / "eval/results.json", summarise(episodes(15, 20)))
    write_json(
        tmp_path / "config.json", {"name": "run", "loss": {"name": "dist2", "tau": {"name": "fixed", "tau": 2.0}}}
    )
    card({**CONFIG, "of": str(tmp_path)})
    text = (folder / "README.md").read_text()
    assert "**Success: 75%**, 95 % interval from 53% to 89%, 20 episodes." in text
    assert "| loss | dist2(tau=fixed(tau=2.0)) |" in text


def test_of_a_dataset(tmp_path):
    root = write_reach(tmp_path / "reach")
    card({**CONFIG, "of": str(root)})
    text = (root / "README.md").read_text()
    assert "8 episodes, 96 frames at 20 Hz of reacher" in text
    assert f"- {TASK}" in text
    assert "| observation.state | float32 (3) | x, v, gripper |" in text


def test_it_is_not_written_over(tmp_path):
    root = write_reach(tmp_path / "reach")
    (root / "README.md").write_text("mine")
    with pytest.raises(InputError, match="overwrite=true"):
        card({**CONFIG, "of": str(root)})
    card({**CONFIG, "of": str(root), "overwrite": True})


def front_matter(path):
    """Return the lines between the first two of three dashes."""
    lines = path.read_text().splitlines()
    return lines[1 : lines.index("---", 1)]


def claims(path):
    """Return what a card says of a licence: its line in the front matter, if any, and the first of its own section."""
    text = path.read_text()
    line = next((x for x in front_matter(path) if x.startswith("license")), None)
    return line, text.split("## Licence\n\n")[1].splitlines()[0]


def record(root, environment):
    """Write recordings of a simulation, or of nobody knows what."""
    write_reach(root)
    path = root / "meta/dist2_robot.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"environment": environment}))
    return root


SIMULATION = {"id": "gym_dist2/PointReach-v0", "kwargs": {}}
UNSAID = {**CONFIG, "licence": None, "overwrite": True}


def test_for_other_peoples_recordings_no_licence_is_claimed(tmp_path):
    root = record(tmp_path / "theirs", None)
    card({**UNSAID, "of": str(root)})
    assert claims(root / "README.md") == (None, "Not stated.")
    (root / "LICENSE").write_text("do as you please")
    card({**UNSAID, "of": str(root)})
    assert claims(root / "README.md") == (None, "Not stated. The folder holds LICENSE.")
    card({**UNSAID, "of": str(root), "licence": "cc0-1.0"})
    assert claims(root / "README.md") == ("license: cc0-1.0", "cc0-1.0. The folder holds LICENSE.")


def test_what_they_state_themselves_is_quoted(tmp_path):
    root = record(tmp_path / "theirs", None)
    info = root / "meta/info.json"
    info.write_text(json.dumps(json.loads(info.read_text()) | {"license": "cc-by-4.0"}))
    card({**UNSAID, "of": str(root)})
    assert claims(root / "README.md")[0] == "license: cc-by-4.0"
    (root / "README.md").write_text("---\nlicense: mit\ntags: [arm]\n---\n# Theirs\n")
    card({**UNSAID, "of": str(root)})
    assert claims(root / "README.md") == ("license: mit", "mit.")


@pytest.mark.parametrize(
    "content", ["", "# license: mit", "---\nlicense: mit\n", "---\n: [\n---\n", "---\nlicense: [a\n---"]
)
def test_what_is_no_statement_is_not_quoted(tmp_path, content):
    root = record(tmp_path / "theirs", None)
    (root / "README.md").write_text(content)
    card({**UNSAID, "of": str(root)})
    assert claims(root / "README.md") == (None, "Not stated.")


def test_what_our_simulations_recorded_is_ours(tmp_path):
    root = record(tmp_path / "ours", SIMULATION)
    card({**UNSAID, "of": str(root)})
    assert claims(root / "README.md") == ("license: apache-2.0", "apache-2.0.")


@pytest.mark.parametrize(
    ("environments", "expected"), [([SIMULATION], "apache-2.0"), ([SIMULATION, None], None), ([None], None)]
)
def test_a_checkpoint_is_ours_where_all_of_its_data_are(tmp_path, environments, expected):
    roots = [str(record(tmp_path / f"data{i}", each)) for i, each in enumerate(environments)]
    folder = save(tmp_path / "run", 7)
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    content["dataset"]["root"] = roots[0] if len(roots) == 1 else roots
    del content[DIGEST]
    path.write_text(json.dumps(content))
    card({**UNSAID, "of": str(tmp_path / "run")})
    wanted = ("license: apache-2.0", "apache-2.0.") if expected else (None, "Not stated.")
    assert claims(folder / "README.md") == wanted


def test_a_checkpoint_whose_data_are_gone_claims_no_licence(tmp_path):
    folder = save(tmp_path, 7)
    card({**UNSAID, "of": str(tmp_path)})
    assert claims(folder / "README.md") == (None, "Not stated.")


@pytest.mark.fault("A13")
@pytest.mark.parametrize(
    ("task", "shown"),
    [
        ("![x](http://a.b/c.png)", "\\!\\[x\\](http&#58;&#47;&#47;a.b/c.png)"),
        ("[x](javascript:y) <img src=x>", "\\[x\\](javascript:y) \\<img src=x\\>"),
        ("`a` *b* # c | d", "\\`a\\` \\*b\\* \\# c / d"),
        ("see www.a.b and a@b.c", "see &#119;&#119;&#119;&#46;a.b and a&#64;b.c"),
        ("red \x1b[31m\n# Licence", "red \\\\x1b\\[31m \\# Licence"),
    ],
)
def test_what_a_dataset_says_is_shown_as_it_is(task, shown):
    assert _plain(task) == shown
