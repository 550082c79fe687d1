"""dist2-rate: how far each episode of a dataset got, by a reward model."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from dist2_robot.actions.rating import MOST, RATING
from dist2_robot.checkpoints.registry import look_up
from dist2_robot.checkpoints.store import load_policy
from dist2_robot.cli.app import run_command
from dist2_robot.cli.dataset import TrainingData, load_training_data
from dist2_robot.cli.device import choose_device
from dist2_robot.data.folder import open_folder
from dist2_robot.errors import InputError
from dist2_robot.evaluation.compare import columns, format_number
from dist2_robot.json_file import write_json
from dist2_robot.policies.reward_model import RewardModel
from dist2_robot.types import ACTION

BATCH_SIZE = 512
BY = {"best": "score", "mean": "mean_score"}  # what episodes are ranked by -> entry of an episode
ABOUT = """
Rate the episodes of a dataset by a reward model, and write down the best of them.

  dist2-train policy=reward_model dataset.root=data/rated output=runs/reward
  dist2-rate  checkpoint=runs/reward dataset.root=data/mixed keep=0.5 output=runs/mixed_rated
  dist2-train dataset.root=data/mixed dataset.episodes=runs/mixed_rated/ratings.json output=runs/best_half

The score of an episode is that of its best moment; by=mean ranks by the mean of all, which tells how soon it got there,
too. Where the dataset was recorded with rate=true, the true score is shown beside it.
"""


def rate(config: dict[str, Any]) -> int:
    """Reward model, dataset, scores, the best."""
    share = config["keep"]
    if not isinstance(share, int | float) or not 0 < share <= 1:
        raise InputError(f"keep must be a share of the episodes above 0 and up to 1, got {share!r}")
    device = choose_device(config["device"])
    model = RewardModel(load_policy(config["checkpoint"], str(device))[0], config["checkpoint"])
    data = _open(model, config["dataset"])
    episodes = rate_episodes(model, data, device)
    kept = best(episodes, share, look_up(BY, config["by"], "way to rank"))
    output = Path(config["output"] or Path(config["checkpoint"]) / "ratings")
    content = {"kind": "ratings", "checkpoint": str(config["checkpoint"]), "dataset": str(config["dataset"]["root"])}
    write_json(
        output / "ratings.json", {**content, "keep": share, "by": config["by"], "kept": kept, "per_episode": episodes}
    )
    print(_format(episodes, kept))
    print(f"kept {len(kept)} of {len(episodes)} episodes: {output / 'ratings.json'}")
    return 0


def rate_episodes(model: RewardModel, data: TrainingData, device: torch.device) -> list[dict[str, Any]]:
    """Return for each episode its ``episode`` number, ``score`` and ``stages`` of its best moment, ``mean_score``,
    and ``true_score`` of its best moment where that is known.

    Args:
        model: Rates.
        data: All of them to learn from; its target is ``rating`` where the true ones are there.
        device: Of the model.
    """
    windows, table = data.training, data.table
    parts = torch.arange(len(windows)).split(BATCH_SIZE)
    rated = torch.cat([model.rate(windows.gather(part).observation.to(device)).cpu() for part in parts])
    found = []
    for episode in range(table.episodes):
        span = slice(int(table.episode_starts[episode]), int(table.episode_ends[episode]))
        moment = rated[span][rated[span, 0].argmax()].tolist()
        stages = dict(zip(model.stages, [round(x, 3) for x in moment[1:]], strict=True))
        scores = {"score": round(moment[0], 3), "mean_score": round(float(rated[span, 0].mean()), 3)}
        entry = {"episode": episode, **scores, "stages": stages}
        if data.target == RATING:
            entry["true_score"] = float(table.features[ACTION][span, 0].max())
        found.append(entry)
    return found


def best(episodes: Sequence[Mapping[str, Any]], share: float, by: str = "score") -> list[int]:
    """Return the numbers of the best share of the episodes, one at least, in the order of the dataset."""
    ranked = sorted(episodes, key=lambda episode: -episode[by])
    return sorted(episode["episode"] for episode in ranked[: max(1, math.floor(share * len(ranked)))])


def _open(model: RewardModel, dataset: Mapping[str, Any]) -> TrainingData:
    seen = model.policy.observation
    options = {
        "root": dataset["root"],
        "repo_id": None,
        "revision": None,
        "episodes": None,
        "validation": 0.0,
        "observations": list(seen.names),
        "image_size": seen.picture_size,
    }
    is_rated = RATING in open_folder(Path(dataset["root"])).info["features"]
    return load_training_data(options, 1, 0, history=seen.history, target=RATING if is_rated else ACTION)


def _format(episodes: Sequence[Mapping[str, Any]], kept: Sequence[int]) -> str:
    """Return a table of the episodes, the best first."""
    has_truth = "true_score" in episodes[0]
    rows = [["episode", f"best of {MOST}", "mean", *(["true"] if has_truth else []), *episodes[0]["stages"], ""]]
    for episode in sorted(episodes, key=lambda episode: -episode["score"]):
        truth = [format_number(episode["true_score"])] if has_truth else []
        scores = map(format_number, (episode["score"], episode["mean_score"]))
        stages = map(format_number, episode["stages"].values())
        mark = "kept" if episode["episode"] in kept else ""
        rows.append([str(episode["episode"]), *scores, *truth, *stages, mark])
    return "\n".join(columns(rows))


def main() -> None:
    run_command("dist2-rate", "rate", ABOUT, rate)


if __name__ == "__main__":
    main()
