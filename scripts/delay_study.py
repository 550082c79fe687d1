"""What late chunks cost a policy in simulation, and what helps.

    python scripts/delay_study.py runs/pick_prefix
    python scripts/delay_study.py runs/pick_seed0 runs/pick_seed1 --delays 0 2 4 8 --episodes 50 --output docs/results

Evaluates each checkpoint from the same initial states with every strategy and delay (in steps of its rate), in
lockstep: no clock is read, so the results do not depend on the machine. Writes delay.json, delay.md and delay.png. What
was evaluated before, with the same settings, is not done again: stop it, and the same command goes on.

The policies need policy.max_prefix of the longest delay at least:

    dist2-collect env=so101 task=PickPlace env.kwargs.control=joint noise=0.005 episodes=400 dataset.root=data/pick
    dist2-train env=so101 task=PickPlace env.kwargs.control=joint dataset.root=data/pick trainer.steps=6000 \\
        trainer.batch_size=128 policy.horizon=16 policy.max_prefix=8 output=runs/pick_prefix
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch

from dist2_robot.checkpoints.store import find_checkpoint, load_policy
from dist2_robot.cli.environments import choose_environments
from dist2_robot.cli.evaluate import evaluate_policy
from dist2_robot.errors import InputError
from dist2_robot.json_file import read_json, write_json
from dist2_robot.rollouts.delay import STRATEGIES, Delay
from dist2_robot.studies.delay import delay_row, delay_table, pooled, write_delay_picture

ROOT = Path(__file__).parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoints", nargs="+", help="runs or checkpoints of one task, e.g. of several seeds")
    parser.add_argument("--delays", nargs="+", type=int, default=[0, 2, 4, 8], help="in steps")
    parser.add_argument("--strategies", nargs="+", choices=STRATEGIES, default=list(STRATEGIES))
    parser.add_argument("--execute", type=int, default=4, help="actions of a chunk that are executed at least")
    parser.add_argument("--episodes", type=int, default=50)
    parser.add_argument("--seed", type=int, default=2000, help="of the initial states")
    parser.add_argument("--workers", type=int, default=None, help="processes that simulate; by default one a core")
    parser.add_argument("--output", type=Path, default=ROOT / "docs" / "results")
    parser.add_argument("--name", default="delay", help="of the files")
    given = parser.parse_args()
    torch.set_num_threads(1)
    try:
        study(given)
    except InputError as error:
        print(f"delay_study: {error}", file=sys.stderr)
        return 2
    return 0


def study(given: argparse.Namespace) -> None:
    """Evaluate what is missing, after each evaluation write what there is."""
    path = given.output / f"{given.name}.json"
    known = read_json(path)["rows"] if path.exists() else []
    # Without a delay all strategies are the same.
    pairs = [(s, d) for d, s in product(given.delays, given.strategies) if d or s == given.strategies[0]]
    rows = []
    for checkpoint, (strategy, steps) in product(given.checkpoints, pairs):
        key = {
            "checkpoint": find_checkpoint(Path(checkpoint)).as_posix(),
            "strategy": strategy,
            "delay_steps": steps,
            "execute": given.execute,
            "episodes": given.episodes,
            "seed": given.seed,
        }
        row = next((row for row in known if all(row[name] == value for name, value in key.items())), None)
        rows.append(row or evaluated(key, given.workers))
        print(f"{checkpoint}, {rows[-1]['delay_ms']} ms, {strategy}: {rows[-1]['success_rate']:.2f}", flush=True)
        write(rows, given)


def evaluated(key: Mapping[str, Any], workers: int | None) -> dict[str, Any]:
    """Evaluate one checkpoint with one strategy and delay."""
    policy, manifest = load_policy(key["checkpoint"])
    environments = choose_environments({"id": "recorded"}, manifest.environments)
    if len(environments) != 1:
        raise InputError(f"checkpoint '{key['checkpoint']}' must be trained for one environment, not {environments}")
    results = evaluate_policy(
        policy,
        environments[0],
        episodes=key["episodes"],
        seed=key["seed"],
        n_action_steps=1,  # the delay says
        workers=workers,
        batch_size=16,
        delay=Delay(key["delay_steps"], key["strategy"], key["execute"]),
    )
    about = {"environment": str(environments[0]), "rate_hz": policy.spec.rate_hz, "horizon": policy.horizon}
    return {**delay_row(results, policy.spec.rate_hz), **key, **about}


def write(rows: Sequence[Mapping[str, Any]], given: argparse.Namespace) -> None:
    """Write what there is: all rows, the table and the picture of all checkpoints together."""
    groups: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["strategy"], row["delay_steps"]), []).append(row)
    together = [pooled(some) for some in groups.values()]
    about = rows[0]
    title = f"{about['environment']}, {about['rate_hz']:g} Hz, chunks of {about['horizon']} steps"
    write_json(given.output / f"{given.name}.json", {"rows": rows})
    text = (
        f"# Late chunks\n\n{title}. {len(given.checkpoints)} trained, {given.episodes} episodes each from the same "
        f"initial states (seed {given.seed}); at least {given.execute} steps of each chunk are executed. Jumps are in "
        "tolerances, mean over the joints, where a new chunk takes over; the usual step is the same elsewhere. "
        f"[How to read it](../guide/delay.md).\n\n{delay_table(together)}\n\n"
        f"![success against delay]({given.name}.png)\n"
    )
    (given.output / f"{given.name}.md").write_text(text, encoding="utf-8")
    write_delay_picture(together, given.output / f"{given.name}.png", title)


if __name__ == "__main__":
    sys.exit(main())
