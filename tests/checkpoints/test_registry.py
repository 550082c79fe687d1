import pytest

from dist2_robot.checkpoints.registry import build_loss, build_policy, build_tokenizer, look_up
from dist2_robot.errors import InputError
from tests.data.recordings import SPEC
from tests.training.tiny import CONFIG, tiny_policy

ABSOLUTE = {"name": "absolute", "unit": "tolerance"}


def test_a_policy_is_rebuilt_from_what_it_says_of_itself():
    for head in ({"name": "free"}, {"name": "mixture", "components": 2, "min_scale_bins": 0.5}):
        policy = tiny_policy(changes={"head": head})
        again = build_policy(SPEC, policy.config())
        assert again.config() == policy.config()
        again.load_state_dict(policy.state_dict(), strict=True)


def test_the_near_name_is_suggested():
    with pytest.raises(InputError, match=r"^there is no fruit 'aple'\. Did you mean 'apple'\? Known: apple, pear$"):
        look_up({"pear": 1, "apple": 2}, "aple", "fruit")
    with pytest.raises(InputError, match=r"^there is no fruit 'zzz'\. Known: apple, pear$"):
        look_up({"pear": 1, "apple": 2}, "zzz", "fruit")


@pytest.mark.fault("S2")
@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"_target_": "os.system", "command": "true"}, "loss"),
        ({"name": "dist2", "distance": {"_target_": "os.system"}}, "distance"),
        ({"name": "dist2", "distance": ABSOLUTE, "_target_": "os.system"}, "_target_"),
        ({"name": "dist3", "distance": ABSOLUTE}, "Did you mean 'dist2'?"),
        ({"name": "cros_entropy"}, "Did you mean 'cross_entropy'?"),
        ({"name": "dist2", "distance": {"name": "squraed"}}, "Did you mean 'squared'?"),
        ({"name": "dist2", "distance": {"name": "squared", "unit": "miles"}}, "miles"),
        ({"name": "dist2", "distance": {"name": "squared", "tau": 1}}, "tau"),
        ({"name": "dist2", "distance": None}, "distance"),
        ({"name": "dist2"}, "distance"),
        ({"name": "dist2", "distance": ABSOLUTE, "tau": 0}, "tau must be positive"),
        ({"name": "dist2", "distance": ABSOLUTE, "tua": 1}, "tua"),
        ({"name": "dist2", "distance": ABSOLUTE, "tau": "warm"}, "loss 'dist2'"),
        ({"name": "energy", "distance": {"name": "squared"}}, "negative type"),
        ({"name": "label_smoothing", "epsilon": 2}, "label smoothing"),
        ({"name": "sum", "terms": {}}, "sum"),
        ({"name": "sum"}, "terms"),
        ({"name": "sum", "terms": {"a": {"name": "cross_entropy"}}}, "weight"),
        ({"name": "sum", "terms": {"a": {"name": "cross_entropy", "weight": "much"}}}, "weight"),
    ],
)
def test_a_loss_that_cannot_be_built_is_told_in_one_line(config, says):
    tokenizer = build_tokenizer(SPEC, CONFIG["tokenizer"])
    with pytest.raises(InputError) as caught:
        build_loss(tokenizer, config)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
