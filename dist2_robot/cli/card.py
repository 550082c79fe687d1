"""dist2-card: what a checkpoint or a dataset is, as the README.md in its folder."""

from pathlib import Path
from typing import Any

from dist2_robot.checkpoints.manifest import Manifest, read_manifest
from dist2_robot.checkpoints.store import find_checkpoint
from dist2_robot.cli.app import run_command
from dist2_robot.data.folder import INFO_FILE, open_folder
from dist2_robot.errors import InputError
from dist2_robot.evaluation.cards import dataset_card, model_card
from dist2_robot.evaluation.licence import OURS, dataset_licence
from dist2_robot.evaluation.run_files import load_run
from dist2_robot.files import write_text

CARD_FILE = "README.md"
ABOUT = """
Write the card of a checkpoint or of a dataset from its own files and the results of its evaluation.

  dist2-card of=runs/push          # the best checkpoint of a run, else its last
  dist2-card of=data/push
"""


def card(config: dict[str, Any]) -> int:
    """Find out what it is, and write its card."""
    folder = Path(config["of"])
    title, licence = config["title"] or folder.resolve().name, config["licence"]
    if (folder / INFO_FILE).exists():
        dataset = open_folder(folder)
        content = dataset_card(dataset, title=title, licence=licence or dataset_licence(dataset))
    else:
        checkpoint = find_checkpoint(folder)
        manifest, (results, loss) = read_manifest(checkpoint), _run(folder, config["evaluation"])
        content = model_card(manifest, results, loss, title=title, licence=licence or _licence(manifest))
        folder = checkpoint
    path = folder / CARD_FILE
    if path.exists() and not config["overwrite"]:
        raise InputError(f"'{path}' exists: pass overwrite=true, or move it away")
    write_text(path, content)
    print(f"card: {path}")
    return 0


def _licence(manifest: Manifest) -> str | None:
    """Return ours for a policy that learned from what our simulations recorded and nothing else, as far as is known."""
    root = manifest.dataset.get("root")
    roots = [Path(str(each)) for each in (root if isinstance(root, list) else [root])]
    try:
        ours = all(open_folder(each).recording.get("environment") for each in roots)
    except InputError:  # it is not here any more
        return None
    return OURS if ours else None


def _run(folder: Path, evaluation: str | None) -> tuple[Any, Any]:
    """Return the results and the loss of a run; empty where there are none, as for a checkpoint alone."""
    try:
        run = load_run(folder, Path(evaluation) if evaluation else None)
    except InputError:
        if evaluation:
            raise
        return {}, None
    return run.results, run.config.get("loss")


def main() -> None:
    run_command("dist2-card", "card", ABOUT, card)


if __name__ == "__main__":
    main()
