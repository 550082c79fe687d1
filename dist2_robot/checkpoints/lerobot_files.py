"""What LeRobot reads of a checkpoint: each of ours is a pretrained policy of type ``dist2`` to it.

Plain JSON, written without LeRobot: ``config.json`` tells what the policy sees and gives, and the two pipelines only
move tensors, since a policy of ours normalises and tokenises by itself. What the policy is made of stands in our own
manifest, from which the plug-in loads it.
"""

from collections.abc import Mapping
from typing import Any

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.checkpoints.manifest import Manifest
from dist2_robot.policies.frame_predictor import FRAME_PREDICTOR
from dist2_robot.types import ACTION, ENVIRONMENT_STATE, ObservationSpec

CONFIG_FILE = "config.json"
PREPROCESSOR_FILE = "policy_preprocessor.json"
POSTPROCESSOR_FILE = "policy_postprocessor.json"
POLICY_TYPE = "dist2"
N_ACTION_STEPS = 4  # of a chunk that are executed before the next is asked for, as in dist2-eval
UNCHANGED = {"VISUAL": "IDENTITY", "STATE": "IDENTITY", "ENV": "IDENTITY", "ACTION": "IDENTITY"}


def lerobot_files(manifest: Manifest) -> dict[str, dict[str, Any]]:
    """Return file name -> content, for the policy of a manifest; nothing for what is no policy."""
    policy, spec = manifest.policy, ActionSpec.from_dict(manifest.action_spec)
    if policy["name"] == FRAME_PREDICTOR:
        return {}
    seen = input_features(ObservationSpec.from_dict(policy["observation"]))
    given = {ACTION: {"type": "ACTION", "shape": [len(spec)]}}
    config = {"type": POLICY_TYPE, "input_features": seen, "output_features": given, **choices(policy)}
    config |= {"n_action_steps": min(N_ACTION_STEPS, config["chunk_size"]), "action_feature_names": list(spec.names)}
    return {
        CONFIG_FILE: config,
        PREPROCESSOR_FILE: _pipeline(
            "policy_preprocessor",
            rename_observations_processor={"rename_map": {}},
            to_batch_processor={},
            device_processor={"device": "cpu", "float_dtype": None},
            normalizer_processor={"eps": 1e-8, "features": seen | given, "norm_map": UNCHANGED},
        ),
        POSTPROCESSOR_FILE: _pipeline(
            "policy_postprocessor",
            unnormalizer_processor={"eps": 1e-8, "features": given, "norm_map": UNCHANGED},
            device_processor={"device": "cpu", "float_dtype": None},
        ),
    }


def choices(policy: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the config of a policy fixes, by the names of LeRobot's config: a trained policy keeps it."""
    has_tokens = "tokenizer" in policy
    named = {"tokenizer": policy["tokenizer"]["name"], "head": policy["head"]["name"]} if has_tokens else {}
    chosen = {
        "kind": policy["name"],
        "n_obs_steps": ObservationSpec.from_dict(policy["observation"]).history,
        "chunk_size": (policy["tokenizer"] if has_tokens else policy)["horizon"],
        **named,
    }
    return chosen | ({"decoding": policy["decoding"]} if has_tokens else {"loss": "l1"})


def input_features(observation: ObservationSpec) -> dict[str, dict[str, Any]]:
    """Return what a policy sees, as LeRobot describes it: kinds, and shapes with the colours of pictures first."""
    numbers = {
        name: {"type": "ENV" if name == ENVIRONMENT_STATE else "STATE", "shape": [size]}
        for name, size in observation.numbers.items()
    }
    pictures = {
        name: {"type": "VISUAL", "shape": [3, height, width]} for name, (height, width) in observation.pictures.items()
    }
    return numbers | pictures


def _pipeline(name: str, **steps: Mapping[str, Any]) -> dict[str, Any]:
    """Return a pipeline of LeRobot's own steps by the names under which it has registered them."""
    return {"name": name, "steps": [{"registry_name": step, "config": config} for step, config in steps.items()]}
