"""A graph of ONNX Runtime, and how it is written."""

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram

from dist2_robot.deploy.forms.exported_folder import GRAPH_FILE, ExportedFolder
from dist2_robot.deploy.forms.policy_graph import PolicyGraph
from dist2_robot.errors import InputError

INSTALL = "needs onnx, onnxscript and onnxruntime: pip install 'dist2-robot[export]'"
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxRunner:
    """Computes ``policy.onnx``, on one thread unless told otherwise: a robot's other processes need the rest."""

    def __init__(self, exported: ExportedFolder, device: str = "cpu", threads: int = 1) -> None:
        """Args: exported: Its folder. device: ``cpu`` or ``cuda``. threads: Of the CPU.

        Raises:
            InputError: ONNX Runtime is not there, or has not that device, or does not read the file.
        """
        try:
            import onnxruntime
        except ModuleNotFoundError as error:
            raise InputError(f"an ONNX policy {INSTALL}") from error
        name, _, number = device.partition(":")
        provider = PROVIDERS.get(name, "")
        if provider not in onnxruntime.get_available_providers():
            raise InputError(f"the ONNX Runtime that is installed does not compute on {device}: choose device=cpu")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        at = {"device_id": number} if number else {}
        # From memory, so that what is read is what was checked.
        try:
            self._session = onnxruntime.InferenceSession(
                exported.read(GRAPH_FILE), options, providers=[provider], provider_options=[at]
            )
        except Exception as error:  # of many kinds that have no common name
            raise InputError(
                f"'{exported.folder / GRAPH_FILE}' cannot be read: {' '.join(str(error).split())[:300]}"
            ) from error
        self._outputs = [output.name for output in self._session.get_outputs()]

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        return dict(zip(self._outputs, self._session.run(None, inputs), strict=True))  # type: ignore[arg-type]


def write_onnx(graph: PolicyGraph, program: ExportedProgram, path: Path) -> None:
    """Write a traced policy as one ONNX file.

    Raises:
        InputError: A package is missing, or the graph holds what ONNX lacks.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise InputError(f"format=onnx {INSTALL}") from error
    names: dict[str, Any] = {"input_names": graph.inputs, "output_names": graph.outputs}
    try:
        with warnings.catch_warnings(action="ignore"):  # of torch about itself
            written = torch.onnx.export(program, dynamo=True, verbose=False, optimize=True, **names)
    except Exception as error:  # torch raises many kinds
        reason = " ".join(str(error).split())
        raise InputError(f"ONNX has no word for a part of this policy ({reason[-300:]}): use form=eager") from error
    assert written is not None
    onnx.save(written.model_proto, path)


def quantise_onnx(path: Path) -> None:
    """Turn the weights of matrix products into 8-bit numbers; what they are multiplied with is cut as it comes."""
    try:
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ModuleNotFoundError as error:
        raise InputError(f"quantise=int8 {INSTALL}") from error
    with TemporaryDirectory() as folder:
        out = Path(folder) / path.name
        # A scale for each column of a matrix: with one for all of it twice as many tokens differ.
        products = ["MatMul", "Gemm"]
        logging.disable(logging.WARNING)  # it recommends a step that torch's exporter has done
        try:
            quantize_dynamic(path, out, op_types_to_quantize=products, weight_type=QuantType.QInt8, per_channel=True)
        finally:
            logging.disable(logging.NOTSET)
        path.write_bytes(out.read_bytes())
