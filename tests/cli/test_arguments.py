"""What a user types is what a command gets: text as text, and entries of open mappings without a plus."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from dist2_robot.cli.arguments import hydra_arguments
from dist2_robot.cli.compose import compose_config
from dist2_robot.cli.defaults import defaults, known_keys
from dist2_robot.cli.hydra_text import elements, is_quoted, read
from dist2_robot.cli.kinds import _MORE, _SILENT, Kind, default_of, kind_of
from dist2_robot.config_dir import config_dir
from dist2_robot.errors import InputError

COMMANDS = sorted(path.stem for path in config_dir().glob("*.yaml"))
LIKE_NUMBERS = ["20260901", "1e5", "on", "1_000", "true", "nan", "007", "null"]
ODD = [
    "don't",
    "/data/José's (new) set=2",
    "./Müller/größe",
    "a(b)",
    "(b",
    "[new] set",
    "{x",
    "a=b",
    "#1; <x> & !",
    "a${x",
]
SO101 = ("checkpoint=run", "robot=so101_follower")


def given_to(command: str, *arguments: str, option: str) -> Any:
    """Return the value of an option in the composed config."""
    return default_of(option, compose_config(command, arguments))


def arrives(command: str, argument: str) -> Any:
    """Return what Hydra makes of one argument, as far as it is not composed."""
    (written,) = hydra_arguments([argument], command)
    override = read(written)
    assert override is not None
    assert not override.is_sweep_override()
    return OmegaConf.create({"value": override.value()}).value


def text_options() -> list[tuple[str, str]]:
    found = []
    for command in COMMANDS:
        standard = defaults(command, [])
        kinds = {key: kind_of(key, default_of(key, standard), command) for key in known_keys(standard)}
        found += [(command, key) for key, kind in kinds.items() if kind in (Kind.TEXT, Kind.PATH) and "." not in key]
    return found


@pytest.mark.parametrize(
    ("command", "option", "others"),
    [
        ("collect", "dataset.root", []),
        ("import", "source", ["dataset.root=data"]),
        ("validate", "dataset.root", []),
        ("rate", "checkpoint", ["dataset.root=data"]),
        ("export", "output", ["checkpoint=run"]),
        ("card", "of", []),
        ("train", "output", []),
    ],
)
@pytest.mark.parametrize("name", [*LIKE_NUMBERS, *ODD])
def test_a_path_is_the_text_that_was_typed(command, option, others, name):
    arguments = hydra_arguments([f"{option}={name}", *others], command)
    override = read(arguments[0])
    assert override is not None
    assert OmegaConf.create({"value": override.value()}).value == name


def test_lists_of_paths_and_mappings_of_text_are_text_too():
    typed = "[a,20260901,1e5,José's,null,'b, c']"
    assert given_to("train", f"dataset.root={typed}", option="dataset.root") == [
        *("a", "20260901", "1e5", "José's", "null", "b, c")
    ]
    assert given_to("compare", "runs=20260901", option="runs") == "20260901"
    options = ["source=x", "dataset.root=y", "rename={act: action, obs.a: 1e5}", "join={state: [1_000,a]}"]
    config = compose_config("import", [*options, "names.observation.state=[x,1]"])
    assert config["rename"] == {"act": "action", "obs.a": "1e5"}
    assert (config["join"], config["names"]) == ({"state": ["1_000", "a"]}, {"observation.state": ["x", "1"]})


def test_null_is_none_where_that_is_the_default():
    assert given_to("train", "task=null", "dataset.spec=null", option="task") is None
    assert given_to("train", "output=null", option="output") == "null"
    assert given_to("eval", "checkpoint=run", "output='null'", option="output") == "null"


def test_the_home_of_the_user_is_found_in_paths_alone():
    assert given_to("collect", "dataset.root=~/data", option="dataset.root") == str(Path.home() / "data")
    assert given_to("train", "dataset.root=[~/a,b]", option="dataset.root") == [str(Path.home() / "a"), "b"]
    assert given_to("collect", "dataset.root='~/data'", option="dataset.root") == "~/data"
    assert given_to("collect", "dataset.root=a", "task=~/data", option="task") == "~/data"


def test_another_option_may_be_meant():
    assert given_to("train", "output=runs/${seed}/don't", option="output") == "runs/0/don't"


@pytest.mark.parametrize(
    ("arguments", "option", "value"),
    [
        (["robot.options={port: /dev/x}", "robot.options.id=7"], "robot.options.id", "7"),
        (["robot.options={port: /dev/x, id: 7}"], "robot.options.id", "7"),
        (["robot.options={port: /dev/José's}"], "robot.options.port", "/dev/José's"),
        (
            ["robot.options.port=x", "robot.options.cameras={front: {type: opencv, fps: 30}, side: {type: opencv}}"],
            "robot.options.cameras",
            {"front": {"type": "opencv", "fps": 30}, "side": {"type": "opencv"}},
        ),
        (
            ["robot.options={port: x, cameras: {front: {type: opencv, fps: 30}}}"],
            "robot.options.cameras",
            {"front": {"type": "opencv", "fps": 30}},
        ),
        (
            ["robot.options.port=x", "robot.options.cameras.front.type=opencv", "+robot.options.cameras.front.fps=30"],
            "robot.options.cameras",
            {"front": {"type": "opencv", "fps": 30}},
        ),
        (
            ["robot.options.port=x", "robot.velocity={shoulder_pan.pos: 30}", "robot.velocity.gripper.pos=60"],
            "robot.velocity",
            {"shoulder_pan.pos": 30, "gripper.pos": 60},
        ),
        (["robot.options.port=x", "robot.spec={rate_hz: 30}"], "robot.spec", {"rate_hz": 30}),
    ],
)
def test_an_open_mapping_takes_mappings_and_single_keys(arguments, option, value):
    assert given_to("deploy", *SO101, *arguments, option=option) == value


@pytest.mark.parametrize(
    ("arguments", "option", "value"),
    [
        (["policy=language_model", "policy.model=x", "policy.lora.rank=8"], "policy.lora", {"rank": 8}),
        (["policy=language_model", "policy.model=x", "policy.lora={rank: 8}"], "policy.lora", {"rank": 8}),
        (["env=gymnasium", "env.options={size: 3}"], "env.options", {"size": 3}),
        (["env=gymnasium", "env.options.size=3", "env.options.kind=a"], "env.options", {"size": 3, "kind": "a"}),
        (["env=gymnasium", "env.observation.units={state: [deg]}"], "env.observation.units", {"state": ["deg"]}),
        (["env=aloha", "task=Insertion", "env.action.control_mode=absolute"], "env.action.control_mode", "absolute"),
    ],
)
def test_open_mappings_of_a_training(arguments, option, value):
    assert given_to("train", *arguments, option=option) == value


@pytest.mark.parametrize(
    ("command", "arguments", "says"),
    [
        ("deploy", [*SO101, "robot.options.port=x", "robot.velcity={a: 1}"], "Did you mean 'robot.velocity'?"),
        ("deploy", [*SO101, "robot.options.port=x", "robot.velocity=3"], "robot.velocity must be a mapping"),
        ("deploy", [*SO101, "robot.options={port: 'x'"], "robot.options must be a mapping"),
        ("deploy", [*SO101, "robot.options={port:", "/dev/x}"], "'robot.options={port: /dev/x}'"),
        ("deploy", ["checkpoint=x", "robot.options.port=x"], "there is no option 'robot.options.port'"),
        ("train", ["policy.lora={rank: 8}"], "there is no option 'policy.lora'"),
        ("train", ["env=metaworld", "task=a", "env.options.size=3"], "there is no option 'env.options.size'"),
        ("collect", ["env=so101", "env.kwargs.contrl=hand"], "Did you mean 'env.kwargs.control'?"),
        ("eval", ["checkpoint=x", "env.kwargs.level=2"], "there is no option 'env.kwargs.level'"),
        ("train", ["task=pick", "up"], "'task=pick up'"),
        ("train", ["grösse=3"], "there is no option 'grösse'"),
        ("train", ["trainer.steps=5'"], 'trainer.steps must be a whole number, got "5\'"'),
        ("train", ["threads=many"], "threads must be a whole number, got 'many'"),
        ("eval", ["checkpoint=x", "until=(5"], "until must be a number, got '(5'"),
        ("train", ["dataset.observations=observation.state"], "dataset.observations must be a [list]"),
        ("train", ["seed=0,1"], "with --multirun (-m) they are a sweep"),
        ("train", ["dataset.root=a,b"], "a list is 'dataset.root=[a,b]'"),
        ("train", ["task=pick, then place"], "write 'task=\"pick, then place\"'"),
        ("train", ["output=[a,b]"], "write 'output=\"[a,b]\"'"),
        ("train", ["~seed"], "'~seed' takes away what the command needs"),
        ("collect", ["dataset.root=[a,b]"], "dataset.root must be text"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(command, arguments, says):
    with pytest.raises(InputError) as error:
        compose_config(command, arguments)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_a_sweep_is_of_what_was_typed():
    typed = [
        "-m",
        "task=a,don't,1e5",
        "seed=0,1",
        "dataset.root=[a,1],b",
        "tokenizer.bins=choice(16,32)",
    ]
    assert hydra_arguments(typed, "train") == [
        "-m",
        r"task=a,'don\'t','1e5'",
        "seed=0,1",
        "dataset.root=[a,'1'],b",
        "tokenizer.bins=choice(16,32)",
    ]
    typed = ["-m", "checkpoint=run", "robot.velocity.a.pos=30,60"]
    assert hydra_arguments(typed, "deploy")[2] == "++robot.velocity={a.pos: 30},{a.pos: 60}"


def test_commas_within_quotes_and_brackets_do_not_separate():
    assert elements("a,'b,c', [d,{e: 'f,]'}] ,g(1,don't") == ["a", "'b,c'", "[d,{e: 'f,]'}]", "g(1", "don't"]
    assert elements("a: {b: [1,2]}, c: 'd,e'", ",:") == ["a: {b: [1,2]}", "c: 'd,e'"]


def advised(error: InputError) -> str:
    """Return the argument that a refusal says to write."""
    right = re.fullmatch(r".*write (.+)", str(error))  # one line
    assert right is not None
    (argument,) = shlex.split(right[1])
    return argument


LETTERS = st.text(st.sampled_from(list("ab1é'\"=([{}]),:;~$/ \\#.-_\t\n")), max_size=12)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
TEXT_OPTIONS = text_options()


@settings(max_examples=100, deadline=None, derandomize=True)
@given(place=st.sampled_from(TEXT_OPTIONS), text=st.one_of(LETTERS, ANY_TEXT, st.sampled_from(LIKE_NUMBERS + ODD)))
def test_text_arrives_as_typed_or_is_refused_with_the_right_quotes(place, text):
    command, option = place
    typed = text.strip(" \t")
    assume(not is_quoted(typed))
    try:
        value = arrives(command, f"{option}={text}")
    except InputError as error:
        value = arrives(command, advised(error))
    if typed == "null" and default_of(option, defaults(command, [])) is None:
        assert value is None
    elif not typed.startswith("~") and "\\" not in typed and "${" not in typed:  # home, escapes, other options
        assert value == typed


def test_every_option_whose_default_tells_no_kind_is_declared():
    for path in sorted(config_dir().rglob("*.yaml")):
        group = path.parent.name if path.parent != config_dir() else ""
        if group in ("hydra", "experiment"):
            continue
        content = yaml.safe_load(path.read_text())
        content.pop("defaults", None)
        for key in known_keys({group: content} if group else content):
            default = default_of(key, {group: content} if group else content)
            if default in (None, {}, "???") and key not in (*_MORE, group):
                assert key in _SILENT or f"{path.stem}: {key}" in _SILENT, f"{path.name}: {key}"
