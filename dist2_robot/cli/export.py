"""dist2-export: a checkpoint to one graph that needs no code of the policy."""

from pathlib import Path
from typing import Any

from dist2_robot.checkpoints.registry import look_up
from dist2_robot.cli.app import run_command
from dist2_robot.deploy.forms.export import Exported, ParityError, export_policy
from dist2_robot.errors import InputError

ABOUT = """
Export a checkpoint: normaliser, eyes, transformer, head and decoding become one graph, that is faster and needs less
around it. The graph must give the same tokens as the checkpoint over its golden observations, else nothing is written.

  dist2-export checkpoint=runs/push output=exports/push
  dist2-export checkpoint=runs/push output=exports/push_int8 quantise=int8
  dist2-serve  checkpoint=exports/push form=onnx address=unix:/tmp/mine/policy
"""

FORMS = {("onnx", "false"): "onnx", ("onnx", "int8"): "onnx_int8", ("torch_export", "false"): "torch_export"}
FORMATS = {"onnx": "ONNX Runtime", "torch_export": "torch.export"}


def export(config: dict[str, Any]) -> int:
    """Form, graph, parity."""
    quantise = str(config["quantise"]).lower()
    look_up(FORMATS, config["format"], "format")
    if quantise not in ("false", "int8"):
        raise InputError(f"quantise must be false or int8, got {config['quantise']}")
    form = FORMS.get((config["format"], quantise))
    if form is None:
        raise InputError("quantise=int8 goes with format=onnx only")
    try:
        exported = export_policy(config["checkpoint"], Path(config["output"]), form)
    except ParityError as error:
        print(f"dist2-export: {error}")
        return 1
    print(describe(exported))
    return 0


def describe(exported: Exported) -> str:
    """Say where it is and how near it came."""
    parity = exported.parity
    same = parity.golden_count - parity.golden_wrong
    lines = [
        f"{exported.form}: {exported.folder}, {exported.size_bytes / 1e6:.2f} MB",
        f"golden: {same} of {parity.golden_count} answers are the same",
        f"random: {parity.random_same:.2%} are; actions differ by {parity.random_error:.2g} tolerances on average, "
        f"{parity.random_worst:.2g} at most",
    ]
    if exported.form == "onnx_int8":
        lines.append("8-bit weights are near, not the same: compare success before you trust it")
    return "\n".join(lines)


def main() -> None:
    run_command("dist2-export", "export", ABOUT, export)


if __name__ == "__main__":
    main()
