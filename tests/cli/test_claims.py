"""dist2-study on the paper's claims: from a command line to a page."""

import pytest

from dist2_robot.claims.results import read_claim
from dist2_robot.cli.compose import compose_config
from dist2_robot.cli.study import CLAIMS, build_claim

ANSWERS = [
    *("study.sizes=[4,8]", "study.primary_size=4", "study.held_out=5", "study.image_size=32", "study.width=8"),
    *(
        "study.depth=1",
        "study.steps=4",
        "study.batch_size=4",
        "study.pretraining.scenes=8",
        "study.pretraining.steps=1",
    ),
    *("study.pretraining.batch_size=4", "study.pretraining.width=8", "study.pretraining.channels=8"),
]
TINY = {
    "claim_grounding": ANSWERS,
    "claim_manipulation": ANSWERS,
    "claim_numbers": [
        *("study.sizes=[3,5]", "study.primary_size=3", "study.sweep_size=3", "study.held_out=5", "study.digits=2"),
        *("study.bins=12", "study.width=8", "study.depth=1", "study.heads=2", "study.steps=2", "study.batch_size=4"),
    ],
    "claim_theory": ["study.updates=[1,2]", "study.primary_updates=2"],
}


@pytest.mark.parametrize("name", CLAIMS)
def test_a_claim_has_what_it_compares(name):
    claim = build_claim(compose_config("study", [f"study={name}"])["study"])
    core = {(trial.method, trial.size) for trial in claim.trials if trial.part == "core"}
    compared = {*claim.subjects, claim.reference, *claim.controls}
    assert {(method, claim.primary_size) for method in compared} <= core
    assert len({trial.seed for trial in claim.trials}) >= 5
    assert claim.name == name


@pytest.mark.slow
@pytest.mark.parametrize("name", TINY)
def test_a_claim_from_a_command_line_to_a_page(command, tmp_path, name):
    arguments = [f"study={name}", "output=study", "jobs=1", "study.seeds=[0,1]", "only=core/", *TINY[name]]
    outcome = command("dist2-study", *arguments)
    assert outcome.code == 0, outcome.err
    results = read_claim(tmp_path / "study/results.json")
    assert results.parts["core"]["done"] == results.parts["core"]["trials"] > 10
    assert "verdict" in outcome.out
    page = (tmp_path / "study/table.md").read_text()
    assert command("dist2-study", *arguments, "report_only=true").code == 0
    assert (tmp_path / "study/table.md").read_text() == page
    assert command("dist2-study", *arguments, "study.seeds=[-1]", "jobs=0").code == 2
