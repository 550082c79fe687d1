"""Action columns that never move in a recording, in the policy plug-in and in the pipeline steps."""

import pytest
import torch
from lerobot.datasets.lerobot_dataset import LeRobotDatasetMetadata
from lerobot.lerobot_types import TransitionKey
from lerobot.policies import make_pre_post_processors
from lerobot.utils.constants import ACTION_TOKENS

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.checkpoints.registry import build_tokenizer
from dist2_robot.checkpoints.store import load_policy
from dist2_robot.errors import InputError
from dist2_robot.lerobot.modeling_dist2 import Dist2Policy
from dist2_robot.lerobot.token_steps import DetokenizeActionsStep, TokenizeActionsStep
from tests.data.recordings import edit, replace_column
from tests.data.still_columns import MOVING, SENT, STANDS, write_still_columns
from tests.lerobot.plugged import fresh, rows


@pytest.mark.parametrize("choices", [{}, {"kind": "regression", "loss": "l1"}], ids=["token", "regression"])
def test_they_are_sent_as_recorded_and_data_in_which_they_move_are_refused(tmp_path, choices):
    root = write_still_columns(tmp_path / "hand")
    policy = fresh(root, **choices)
    batch = make_pre_post_processors(policy.config)[0](rows(root))
    loss, _ = policy.forward(batch)
    loss.backward()
    actions = policy.eval().predict_action_chunk(batch)
    assert actions.shape == (3, 4, 6)
    assert (actions[..., STANDS] == torch.tensor(SENT)).all()
    policy.save_pretrained(tmp_path / "saved")
    loaded, manifest = load_policy(tmp_path / "saved")
    assert len(ActionSpec.from_dict(manifest.action_spec).moving) == len(MOVING)
    again = Dist2Policy.from_pretrained(tmp_path / "saved")
    assert torch.equal(again.predict_action_chunk(batch), actions)
    assert torch.equal(loaded.act(again._look(batch)).actions, actions)

    def opened(table):
        values = [[*row[:4], 40.0 + i % 2, *row[5:]] for i, row in enumerate(table["action"].to_pylist())]
        return replace_column(table, "action", values)

    edit(root, opened)
    with pytest.raises(InputError, match=r"'gripper.pos' never moves from 41.3, .* it is 40 to 41: train a new"):
        Dist2Policy.from_pretrained(tmp_path / "saved", dataset_meta=LeRobotDatasetMetadata("local/data", root=root))


def test_steps_of_a_pipeline_give_no_token_to_them(tmp_path):
    spec = ActionSpec.from_dict(
        {
            "dimensions": [
                {"name": "a", "kind": "joint", "unit": "rad", "low": -1, "high": 1},
                {"name": "b", "kind": "joint", "unit": "rad", "low": -1, "high": 1, "constant": 0.1},
            ],
            "control_mode": "absolute",
            "rate_hz": 10,
            "source": "data",
        }
    )
    tokenizer = build_tokenizer(spec, {"name": "uniform", "horizon": 4})
    there, back = TokenizeActionsStep.of(tokenizer), DetokenizeActionsStep.of(tokenizer)
    seen = there({TransitionKey.ACTION: torch.rand(2, 4, 2)})
    tokens = seen[TransitionKey.COMPLEMENTARY_DATA][ACTION_TOKENS]
    assert tokens.shape == (2, 4)
    assert (back({TransitionKey.ACTION: tokens})[TransitionKey.ACTION][..., 1] == torch.tensor(0.1)).all()
