"""The forms in which a policy can be served."""

from collections.abc import Callable
from pathlib import Path

from dist2_robot.checkpoints.registry import look_up
from dist2_robot.deploy.forms.eager_policy import CompiledPolicy, EagerPolicy
from dist2_robot.deploy.forms.exported_policy import load_exported
from dist2_robot.deploy.inference import Inference

Loader = Callable[[Path | str, str], Inference]  # of a folder, and a device

FORMS: dict[str, Loader] = {
    "eager": EagerPolicy.load,
    "compiled": CompiledPolicy.load,
    **dict.fromkeys(("onnx", "onnx_int8", "torch_export"), load_exported),
}


def load_inference(form: str, folder: Path | str, device: str = "cpu") -> Inference:
    """Load the policy of a folder in a form. Raises InputError where there is no such form, or it cannot be loaded."""
    return look_up(FORMS, form, "form")(folder, device)
