"""Files of a checkpoint that LeRobot itself would import from are looked at before it reads them."""

import json
import os
import subprocess
import sys

import pytest
from lerobot.configs import PreTrainedConfig

from dist2_robot.checkpoints.lerobot_files import CONFIG_FILE, POSTPROCESSOR_FILE, PREPROCESSOR_FILE
from dist2_robot.errors import InputError
from dist2_robot.lerobot.checkpoint_files import check_lerobot_files
from dist2_robot.lerobot.modeling_dist2 import Dist2Policy
from tests.checkpoints.saved import save

STARTS = """
import sys
from pathlib import Path
import dist2_robot.lerobot.modeling_dist2
from lerobot.configs import PreTrainedConfig
from lerobot.policies import make_policy, make_pre_post_processors
config = PreTrainedConfig.from_pretrained(sys.argv[1], cli_overrides=["--device=cpu"])
config.pretrained_path = Path(sys.argv[1])
make_pre_post_processors(config, pretrained_path=str(config.pretrained_path))
"""


@pytest.fixture
def folder(tmp_path):
    return save(tmp_path, 1)


def steps_of(folder, name=PREPROCESSOR_FILE):
    return json.loads((folder / name).read_text())["steps"]


def rewrite(folder, steps, name=PREPROCESSOR_FILE):
    (folder / name).write_text(json.dumps({"name": "policy", "steps": steps}))


@pytest.mark.slow
@pytest.mark.fault("A1")
@pytest.mark.parametrize("name", [PREPROCESSOR_FILE, POSTPROCESSOR_FILE])
def test_lerobot_starts_no_process_that_a_checkpoint_names(folder, tmp_path, name):
    trace = tmp_path / "trace"
    rewrite(folder, [{"class": "subprocess.Popen", "config": {"args": ["touch", str(trace)]}}], name)
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", STARTS, folder], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode != 0
    assert "may be hostile" in done.stderr
    assert not trace.exists()


@pytest.mark.fault("A1")
@pytest.mark.parametrize(
    "step",
    [
        {"class": "subprocess.Popen", "config": {"args": ["true"]}},
        {"registry_name": "device_processor", "class": "os.system", "config": {}},
        {"registry_name": "tokenizer_processor", "config": {"tokenizer_name": "someone/words"}},
        {"registry_name": "device_processor", "config": {"tokenizer_name": "someone/words"}},
        {"registry_name": "unnormalizer_processor", "config": {"norm_map": {"ACTION": "MEAN_STD"}}},
        {"registry_name": "normalizer_processor", "config": {}, "state_file": "../../secret.safetensors"},
        {"registry_name": "normalizer_processor", "config": {}, "state_file": "missing.safetensors"},
        {"registry_name": ["device_processor"]},
        {"registry_name": "device_processor", "config": []},
        {"registry_name": "device_processor", "config": {"device": "${now:%Y}"}},
        {"registry_name": "device_processor", "config": {"float_dtype": ["half"]}},
        {"registry_name": "normalizer_processor", "config": {"eps": 10**400}},
        {"registry_name": "normalizer_processor", "config": {"features": {"action": {"type": "ACTION"}}}},
        {"registry_name": "rename_observations_processor", "config": {"rename_map": {"a": 5}}},
        5,
    ],
)
def test_a_step_that_we_do_not_write_is_refused_when_the_path_is_told(folder, step):
    config = PreTrainedConfig.from_pretrained(folder)
    check_lerobot_files(folder)
    rewrite(folder, [*steps_of(folder), step])
    with pytest.raises(InputError, match=rf"{PREPROCESSOR_FILE}'[^\n]*hostile"):
        config.pretrained_path = folder
    with pytest.raises(InputError, match=PREPROCESSOR_FILE):
        Dist2Policy.from_pretrained(folder, config=config)


@pytest.mark.fault("A1")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train_config.json", {"env": {"trust_remote_code": True}}),
        ("train_config.json", {"dataset": [{"_target_": "os.system"}]}),
        ("config.json", {"use_peft": True}),
        (POSTPROCESSOR_FILE, []),
    ],
)
def test_no_other_file_names_code(folder, name, content):
    (folder / name).write_text(json.dumps(content))
    with pytest.raises(InputError, match=name):
        check_lerobot_files(folder)


@pytest.mark.fault("A8")
def test_a_pipe_in_place_of_a_pipeline_is_refused(folder):
    (folder / PREPROCESSOR_FILE).unlink()
    os.mkfifo(folder / PREPROCESSOR_FILE)
    with pytest.raises(InputError, match="no regular file"):
        check_lerobot_files(folder)


@pytest.mark.fault("A12")
@pytest.mark.parametrize("name", [CONFIG_FILE, PREPROCESSOR_FILE, POSTPROCESSOR_FILE])
@pytest.mark.parametrize("instead", ["nothing", "folder", "broken link"])
def test_a_file_that_is_not_there_is_named(folder, name, instead):
    path = folder / name
    path.unlink()
    if instead == "folder":
        path.mkdir()
    elif instead == "broken link":
        path.symlink_to("nowhere")
    with pytest.raises(InputError, match=rf"^[^\n]*{folder}[^\n]*{name}[^\n]*$"):
        Dist2Policy.from_pretrained(folder)


@pytest.mark.fault("A12")
@pytest.mark.parametrize("instead", ["nothing", "folder"])
def test_the_state_of_a_step_that_is_not_there_is_named(folder, instead):
    steps = steps_of(folder)
    steps[-1]["state_file"] = "state.safetensors"
    rewrite(folder, steps)
    if instead == "folder":
        (folder / "state.safetensors").mkdir()
    with pytest.raises(InputError, match=rf"{PREPROCESSOR_FILE}[^\n]*state\.safetensors[^\n]*$"):
        check_lerobot_files(folder)


@pytest.mark.fault("A12")
@pytest.mark.parametrize("key", ["input_features", "output_features"])
def test_a_checkpoint_whose_config_lacks_features_is_named(folder, key):
    content = json.loads((folder / CONFIG_FILE).read_text())
    (folder / CONFIG_FILE).write_text(json.dumps(content | {key: {}}))
    with pytest.raises(InputError, match=rf"^[^\n]*{folder}[^\n]*needs"):
        Dist2Policy.from_pretrained(folder)
