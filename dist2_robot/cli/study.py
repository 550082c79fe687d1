"""dist2-study: many trainings, side by side, to one table."""

import functools
import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from dist2_robot.checkpoints.registry import look_up
from dist2_robot.claims.claim import Claim
from dist2_robot.claims.frames import claim_frames
from dist2_robot.claims.grounding import claim_grounding
from dist2_robot.claims.manipulation import claim_manipulation
from dist2_robot.claims.numbers import claim_numbers
from dist2_robot.claims.page import write_claim_page
from dist2_robot.claims.results import read_claim
from dist2_robot.claims.reward import claim_reward
from dist2_robot.claims.robot import claim_robot
from dist2_robot.claims.run import run_claim
from dist2_robot.claims.theory import claim_theory
from dist2_robot.cli.app import run_command
from dist2_robot.cli.folder_lock import locked
from dist2_robot.cli.study_job import record, train_and_evaluate
from dist2_robot.config_dir import config_dir
from dist2_robot.errors import InputError
from dist2_robot.studies.acceptance import few_demonstrations
from dist2_robot.studies.effort import Effort, Lessons, places
from dist2_robot.studies.heads_and_losses import heads_and_losses
from dist2_robot.studies.page import write_page
from dist2_robot.studies.peers import peers
from dist2_robot.studies.picture import PICTURE_FILE
from dist2_robot.studies.results import RESULTS_FILE, read_results
from dist2_robot.studies.run import run_study
from dist2_robot.studies.study import Study

STUDIES: Mapping[str, Callable[..., Study]] = {
    "heads_and_losses": heads_and_losses,
    "few_demonstrations": few_demonstrations,
    "peers": peers,
}
# Claims of the paper. Each takes the entries of its file in conf/study, but for `name` and `kind`.
CLAIMS: Mapping[str, Callable[..., Claim]] = {
    "claim_frames": claim_frames,
    "claim_grounding": claim_grounding,
    "claim_manipulation": claim_manipulation,
    "claim_numbers": claim_numbers,
    "claim_reward": claim_reward,
    "claim_robot": functools.partial(claim_robot, record=record, train_and_evaluate=train_and_evaluate),
    "claim_theory": claim_theory,
}
ABOUT = """
Run the experiments behind a claim: train and evaluate many policies, jobs side by side, and draw one table of them.

  dist2-study study=heads_and_losses output=studies/heads_and_losses
  dist2-study study=heads_and_losses study.heads=[free,mixture] study.losses=[cross_entropy,dist2] study.tasks=[push-v3]
  dist2-study study=few_demonstrations output=studies/few_demonstrations
  dist2-study study=so101 output=studies/so101
  dist2-study study=claim_numbers output=studies/claim_numbers
  dist2-study study=claim_grounding output=studies/claim_grounding
  dist2-study study=claim_theory output=studies/claim_theory
  dist2-study study=claim_frames output=studies/claim_frames study.root=data/push_frames
  dist2-study study=claim_reward output=studies/claim_reward
  dist2-study study=claim_robot output=studies/claim_robot

Stopped? The same command goes on with the jobs that are not done. Each of two machines does its half with shard=[0,2]
and shard=[1,2]; copy their folders together, and run it once more.
"""


def study(config: dict[str, Any]) -> int:
    """Do a study or try a claim, and let no other process work in the same folder meanwhile."""
    output = Path(config["output"])
    _workers(config)  # which refuses a wrong number
    with nullcontext() if config["report_only"] else locked(output):
        return _study(config, output)


def _study(config: dict[str, Any], output: Path) -> int:
    """Study, jobs, results, tables."""
    if config["study"]["kind"] in CLAIMS:
        return _try_claim(config, output)
    chosen = _build(config["study"])
    if not config["report_only"] or not (output / RESULTS_FILE).exists():
        run_study(
            chosen,
            output,
            collect=record,
            execute=functools.partial(train_and_evaluate, keep_checkpoints=config["keep_checkpoints"]),
            workers=_workers(config),
            shard=_shard(config["shard"]),
            only=config["only"],
        )
    results = read_results(output)
    print(write_page(results, output))
    print(f"tables and picture: {output / 'table.md'}, {output / PICTURE_FILE}")
    return 1 if results.failed or (results.refused and not results.rows) else 0


def _try_claim(config: Mapping[str, Any], output: Path) -> int:
    """Do the trials of one of the paper's claims, and draw its page."""
    claim = build_claim(config["study"])
    if not config["report_only"] or not (output / RESULTS_FILE).exists():
        run_claim(claim, output, workers=_workers(config), shard=_shard(config["shard"]), only=config["only"])
    results = read_claim(output / RESULTS_FILE)
    print(write_claim_page(results, output / "table.md", output / PICTURE_FILE))
    print(f"tables and picture: {output / 'table.md'}, {output / PICTURE_FILE}")
    return 1 if results.failed else 0


def build_claim(config: Mapping[str, Any]) -> Claim:
    """Build the claim of a ``study`` config."""
    arguments = {name: value for name, value in config.items() if name not in ("name", "kind")}
    return replace(CLAIMS[config["kind"]](**arguments), name=config["name"])


def _workers(config: Mapping[str, Any]) -> int:
    jobs = config["jobs"]
    if jobs is not None and (not isinstance(jobs, int) or jobs < 1):
        raise InputError(f"jobs must be at least 1, got {jobs!r}")
    return 0 if config["report_only"] else jobs or os.cpu_count() or 1


def _build(config: Mapping[str, Any]) -> Study:
    """Build the study of a ``study`` config."""
    arguments = {name: value for name, value in config.items() if name not in ("name", "kind")}
    efforts = {name: Effort(**arguments.pop(name)) for name in ("screen", "final", "effort") if name in arguments}
    known = _known_options()
    alone = [option for option in known["env"] if option not in ("metaworld", "none", "recorded")]
    lessons = Lessons(
        places(arguments.pop("tasks"), alone),
        **{name: arguments.pop(name) for name in ("demonstrations", "collected", "options")},
    )
    build = look_up({**STUDIES, **CLAIMS}, config["kind"], "kind of study")
    return replace(build(known, lessons, **efforts, **arguments), name=config["name"])


def _shard(value: Any) -> tuple[int, int]:
    if len(value) != 2 or not all(isinstance(number, int) for number in value):
        raise InputError(f"shard must be two whole numbers, e.g. shard=[0,2], got {value}")
    return value[0], value[1]


def _known_options() -> dict[str, list[str]]:
    """Return group -> its options, of all groups."""
    folders = [folder for folder in config_dir().iterdir() if folder.is_dir()]
    return {folder.name: sorted(path.stem for path in folder.glob("*.yaml")) for folder in folders}


def main() -> None:
    run_command("dist2-study", "study", ABOUT, study)


if __name__ == "__main__":
    main()
