"""Our code never runs what a file, a config or the network names, and never installs versions with known holes."""

import ast
import contextlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
FOLDERS = ["dist2_robot", "envs", "scripts"]

MODULES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "shelve", "marshal"}
NAMES = {
    *("eval", "exec", "builtins.eval", "builtins.exec"),
    *("os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("joblib.load", "pandas.read_pickle", "torch.load", "torch.hub.load", "torch.package.PackageImporter"),
    *(f"yaml.{name}" for name in ("load", "load_all", "full_load", "full_load_all", "unsafe_load", "unsafe_load_all")),
    *(f"yaml.{name}" for name in ("Loader", "FullLoader", "UnsafeLoader")),
    *(f"hydra.utils.{name}" for name in ("instantiate", "call", "get_class", "get_method", "get_object")),
}
# Options that may be given only as this literal; None: not at all.
OPTIONS = {"weights_only": True, "allow_pickle": False, "shell": False, "trust_remote_code": False, "_target_": None}

# Functions whose default has changed, or may: the option must be given.
EXPLICIT = {
    **dict.fromkeys(("numpy.load", "numpy.lib.format.read_array"), "allow_pickle"),
    # Not told, these ask on the terminal.
    **dict.fromkeys(
        (f"transformers.Auto{name}.from_pretrained" for name in ("Config", "Model", "Tokenizer", "Processor")),
        "trust_remote_code",
    ),
}

# Below these there are published holes through which a file or an answer runs code, or breaks out of a sandbox.
FLOORS = {"torch": Version("2.10"), "hydra-core": Version("1.3.8"), "jinja2": Version("3.1.6")}
# The same of what comes with our dependencies.
LOCKED_FLOORS = {
    "pyarrow": Version("14.0.1"),
    "pillow": Version("10.2"),
    "gitpython": Version("3.1.41"),
    "pyyaml": Version("5.4"),
    "setuptools": Version("78.1.1"),
    "transformers": Version("4.48"),
}


def origins(tree: ast.AST) -> dict[str, str]:
    """Return what each imported name stands for: `import numpy as np` gives np -> numpy."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.split(".")[0]] = (
                    alias.name if alias.asname else alias.name.split(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def dotted(node: ast.AST, names: dict[str, str]) -> str:
    """Return the full name that an expression such as `np.load` refers to, or an empty string."""
    if isinstance(node, ast.Name):
        return names.get(node.id, node.id)
    if isinstance(node, ast.Attribute):
        owner = dotted(node.value, names)
        return f"{owner}.{node.attr}" if owner else ""
    return ""


def options(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names and values that a call or a dict literal gives."""
    if isinstance(node, ast.Call):
        yield from ((keyword.arg, keyword.value) for keyword in node.keywords if keyword.arg)
    elif isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, value


def reads_target(node: ast.AST) -> bool:
    """Tell whether a node looks `_target_` up. Comparing with it is fine: that is how it is refused."""
    if isinstance(node, ast.Attribute):
        return node.attr == "_target_"
    if isinstance(node, ast.Subscript):
        return isinstance(node.slice, ast.Constant) and node.slice.value == "_target_"
    if isinstance(node, ast.Call):
        return any(isinstance(argument, ast.Constant) and argument.value == "_target_" for argument in node.args)
    return False


def is_text(node: ast.expr) -> bool:
    """Tell whether an expression is a string, or put together from one."""
    if isinstance(node, ast.BinOp):
        return is_text(node.left) or is_text(node.right)
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def forbidden(source: str) -> list[str]:
    """Return `line: what` for each construct in a source that could run foreign code."""
    tree = ast.parse(source)
    names = origins(tree)
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.stmt | ast.expr):
            continue
        what = []
        if isinstance(node, ast.Import):
            what += [alias.name for alias in node.names if alias.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom):
            imported = [f"{node.module}.{alias.name}" for alias in node.names]
            what += [name for name in imported if name.split(".")[0] in MODULES or name in NAMES]
        elif isinstance(node, ast.Name | ast.Attribute):
            name = dotted(node, names)
            what += [name] if name in NAMES else []
        if isinstance(node, ast.Call):
            called, given = dotted(node.func, names), {option for option, _ in options(node)}
            if called in EXPLICIT and EXPLICIT[called] not in given:
                what.append(f"{called} without {EXPLICIT[called]}")
            if called.startswith("subprocess.") and any(is_text(argument) for argument in node.args[:1]):
                what.append(f"{called} of a text, not of a list")
        for option, value in options(node):
            if option in OPTIONS and not (
                isinstance(value, ast.Constant) and value.value is OPTIONS[option] is not None
            ):
                what.append(f"{option}={ast.unparse(value)}")
        what += ["_target_"] if reads_target(node) else []
        found += [f"{node.lineno}: {name}" for name in what]
    return found


def names_target(text: str) -> bool:
    """Tell whether a YAML text has the key `_target_`."""
    return re.search(r"""^[^#\n]*\b_target_["']?\s*:""", text, re.MULTILINE) is not None


def below_floor(requirement: str, floors: Mapping[str, Version] = FLOORS) -> bool:
    """Tell whether a requirement allows a version below the floor of its package."""
    parsed = Requirement(requirement)
    floor = floors.get(parsed.name.lower())
    if floor is None:
        return False
    lowest = [Version(s.version) for s in parsed.specifier if s.operator in {"==", ">=", "~="}]
    return not lowest or max(lowest) < floor


@pytest.mark.fault("S10")
def test_our_code_runs_nothing_foreign() -> None:
    paths = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    assert paths
    found = [f"{path.relative_to(ROOT)}:{line}" for path in paths for line in forbidden(path.read_text("utf-8"))]
    assert not found, "\n".join(found)


@pytest.mark.fault("S2")
def test_no_config_names_an_importable_path() -> None:
    paths = [path for suffix in ("yaml", "yml") for path in sorted((ROOT / "conf").rglob(f"*.{suffix}"))]
    assert [str(path) for path in paths if names_target(path.read_text("utf-8"))] == []


@pytest.mark.fault("S10")
@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import cPickle",
        "from dill import loads",
        "import joblib\njoblib.load(path)",
        "from pandas import read_pickle",
        "import torch as t\nt.load(path)",
        "from torch import load as read",
        "import torch\ntorch.load(path, weights_only=True)",
        "import torch\ntorch.hub.load(name)",
        "import cloudpickle",
        "import numpy as np\nnp.load(path)",
        "from numpy.lib import format as npy\nnpy.read_array(file)",
        "import subprocess\nsubprocess.run('rm ' + name)",
        "import subprocess\nsubprocess.Popen(f'rm {name}')",
        "model = load(name, weights_only=False)",
        "arguments = {'weights_only': False}",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "eval(text)",
        "run = exec",
        "import builtins\nbuiltins.eval(text)",
        "import yaml\nyaml.load(text, Loader=loader)",
        "from yaml import UnsafeLoader",
        "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "from transformers import AutoModel\nAutoModel.from_pretrained(name)",
        "import hydra\nhydra.utils.instantiate(cfg)",
        "from hydra.utils import instantiate",
        "import os\nos.system(command)",
        "from os import system",
        "import subprocess\nsubprocess.run(command, shell=True)",
        "model = {'_target_': 'os.system'}",
        "name = cfg['_target_']",
        "name = cfg.get('_target_')",
        "name = cfg._target_",
    ],
)
def test_each_is_found(source: str) -> None:
    assert len(forbidden(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "model.eval()",
        "env.unwrapped.exec(1)",
        "import multiprocessing",
        "import re\nre.compile(text)",
        "import yaml\nyaml.safe_load(text)",
        "import json\njson.load(file)",
        "import numpy as np\nnp.load(path, allow_pickle=False)",
        "import subprocess\nsubprocess.run(['rm', name])",
        "import subprocess\nsubprocess.run(command)",
        "if '_target_' in keys:\n    raise InputError('_target_ is refused')",
        "'''Neither pickle nor eval(text) nor _target_ is used here.'''",
    ],
)
def test_what_is_harmless_passes(source: str) -> None:
    assert forbidden(source) == []


def test_target_is_found_in_yaml() -> None:
    assert names_target("model:\n  _target_: os.system")
    assert names_target("model: {'_target_': os.system}")
    assert not names_target("# _target_: is refused\nname: uniform")


@pytest.mark.fault("S11")
def test_versions_are_not_below_the_floors() -> None:
    locked = (ROOT / "requirements.lock").read_text("utf-8").splitlines()
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    for requirements, floors in ((locked, FLOORS | LOCKED_FLOORS), (declared, FLOORS)):
        requirements = [line for line in requirements if line and not line.startswith(("#", "-"))]
        assert {Requirement(line).name.lower() for line in requirements} >= floors.keys()
        assert [line for line in requirements if below_floor(line, floors)] == []


@pytest.mark.fault("S11")
def test_what_is_installed_is_not_below_the_floors() -> None:
    for name, floor in (FLOORS | LOCKED_FLOORS).items():
        with contextlib.suppress(metadata.PackageNotFoundError):  # not all extras are
            assert Version(metadata.version(name)) >= floor, name


def test_a_version_below_the_floor_is_found() -> None:
    low = ["torch==2.9.1", "torch>=2.7,<2.12", "torch", "torch<2.12", "hydra-core==1.3.2 ; python_version < '3.13'"]
    assert [line for line in low if not below_floor(line)] == []
    assert not below_floor("torch==2.11.0")
    assert not below_floor("numpy==2.0")
