"""The loop: what it does with steps that break, and that it goes on as if it had never stopped."""

from itertools import islice, pairwise

import pytest
import torch

from dist2_robot.checkpoints.registry import build_loss
from dist2_robot.data.batches import BatchStream
from dist2_robot.data.folder import open_folder
from dist2_robot.data.table import read_table
from dist2_robot.data.windows import ChunkWindows
from dist2_robot.errors import InputError
from dist2_robot.finite import NonFiniteOutputError
from dist2_robot.losses.output import LossOutput
from dist2_robot.training.committed import RandomPrefix
from dist2_robot.training.config import TrainerConfig
from dist2_robot.training.trainer import MAX_SKIPPED_STEPS, Trainer, TrainingFailedError
from tests.training.tiny import CONFIG, tiny_policy

SETTINGS = {
    "steps": 12,
    "batch_size": 8,
    "learning_rate": 1e-2,
    "weight_decay": 1e-4,
    "warmup_steps": 3,
    "gradient_clip": 1.0,
    "ema_decay": 0.9,
    "log_every": 1,
    "validate_every": 0,
    "save_every": 0,
    "evaluate_every": 0,
}


class Records(list):
    """A tracker that keeps everything."""

    def log(self, record):
        self.append(record)

    def close(self):
        pass


class Saves(list):
    def __call__(self, model, state, step):
        copy = [{name: tensor.clone() for name, tensor in tensors.items()} for tensors in (model, state)]
        self.append((*copy, step))


class Evaluations(list):
    """An evaluator that keeps what it is asked."""

    polls = 0

    def submit(self, model, step, *, is_last):
        self.append((step, is_last, {name: tensor.clone() for name, tensor in model.items()}))

    def poll(self):
        self.polls += 1


class FailingLoss(torch.nn.Module):
    """Cross-entropy that is not finite at chosen calls, counted from 0."""

    def __init__(self, policy, bad_calls, bad="nan"):
        super().__init__()
        self.loss = build_loss(policy.tokenizer, {"name": "cross_entropy"})
        self.bad_calls, self.bad, self.calls = bad_calls, float(bad), 0

    def forward(self, *arguments, **keywords):
        output = self.loss(*arguments, **keywords)
        self.calls += 1
        return LossOutput(output.loss * self.bad, {}) if self.calls - 1 in self.bad_calls else output


@pytest.fixture(scope="module")
def stream(reach):
    table = read_table(open_folder(reach))
    windows = ChunkWindows(table, torch.arange(len(table.features["action"])), CONFIG["tokenizer"]["horizon"])
    return BatchStream(windows, SETTINGS["batch_size"], seed=0)


def make(policy=None, loss=None, validate=None, evaluate=None, **settings):
    policy = policy or tiny_policy()
    loss = loss or build_loss(policy.tokenizer, {"name": "cross_entropy"})
    config = TrainerConfig(**SETTINGS | settings)
    return Trainer(policy, loss, config, tracker=Records(), validate=validate, evaluate=evaluate, save=Saves())


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_training_lowers_the_loss(stream):
    trainer = make(steps=150, learning_rate=1e-2)
    trainer.run(stream.from_step(0))
    losses = [record["loss"] for record in trainer.tracker]
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])


@pytest.mark.fault("R10")
def test_the_same_seed_gives_the_same_weights_to_the_bit(stream):
    def trained(seed):
        trainer = make(tiny_policy(seed))
        trainer.run(stream.from_step(0))
        return trainer.save[-1][0]

    assert same(trained(0), trained(0))
    assert not same(trained(0), trained(1))


@pytest.mark.fault("R4")
@pytest.mark.parametrize("loss", ["cross_entropy", "reinforce"])  # the second draws random numbers
@pytest.mark.parametrize("stop", [1, 5, 11])
def test_going_on_is_as_if_it_had_never_stopped(stream, stop, loss):
    def make_with_loss(policy):
        distance = {"distance": {"name": "squared"}} if loss == "reinforce" else {}
        return make(policy, build_loss(policy.tokenizer, {"name": loss, **distance}), save_every=stop)

    whole = make_with_loss(tiny_policy())
    whole.run(stream.from_step(0))
    model, state, step = whole.save[0]
    assert step == stop

    policy = tiny_policy(seed=9)
    policy.load_state_dict(model)
    again = make_with_loss(policy)
    again.restore(state, step)
    again.run(stream.from_step(step))
    for expected, actual in zip(whole.save[1:], again.save, strict=True):
        assert same(expected[0], actual[0])
        assert same(expected[1], actual[1])
        assert expected[2] == actual[2]
    for expected, actual in zip(whole.tracker[stop:], again.tracker, strict=True):
        assert expected | {"samples_per_s": 0} == actual | {"samples_per_s": 0}


@pytest.mark.fault("R4")
def test_what_is_given_away_is_a_function_of_seed_and_step(stream):
    def make_committing(seed):
        policy = tiny_policy(seed, changes={"max_prefix": 2})
        trainer = make(policy, save_every=5)
        trainer.augment = RandomPrefix(policy.spec, 2, noise=0.5)
        return trainer

    whole = make_committing(0)
    whole.run(stream.from_step(0))
    model, state, step = whole.save[0]
    again = make_committing(9)
    again.policy.load_state_dict(model)
    again.restore(state, step)
    again.run(stream.from_step(step))
    assert same(whole.save[-1][0], again.save[-1][0])
    assert same(whole.save[-1][1], again.save[-1][1])


@pytest.mark.fault("R7")
@pytest.mark.parametrize("bad", ["nan", "inf"])
def test_a_step_that_is_not_finite_is_skipped_and_counted(stream, bad):
    policy = tiny_policy()
    trainer = make(policy, FailingLoss(policy, bad_calls={2, 3, 7}, bad=bad), save_every=1)
    states = [{name: tensor.clone() for name, tensor in policy.state_dict().items()}]
    batches = stream.from_step(0)
    for batch in islice(batches, 10):
        trainer.train_step(batch)
        states.append({name: tensor.clone() for name, tensor in policy.state_dict().items()})
    changed = [not same(before, after) for before, after in pairwise(states)]
    assert changed == [step not in {2, 3, 7} for step in range(10)]
    assert trainer.skipped == 3
    assert trainer.average.updates == 7
    assert trainer.step == 10


@pytest.mark.fault("R7")
def test_what_may_be_broken_is_neither_judged_nor_saved(stream):
    policy, seen = tiny_policy(), []
    validate = lambda _: seen.append(trainer.step) or {}  # noqa: E731
    trainer = make(policy, FailingLoss(policy, {2, 3, 7}), validate=validate, save_every=1, validate_every=1)
    trainer.run(stream.from_step(0))
    assert seen == [step for step in range(1, 13) if step - 1 not in {2, 3, 7}]
    assert [step for *_, step in trainer.save] == seen
    assert [record["skipped_steps"] for record in trainer.tracker if record["kind"] == "train"][-1] == 3
    assert int(trainer.save[-1][1]["trainer.skipped"]) == 3


@pytest.mark.fault("R7")
def test_a_loss_that_stays_broken_ends_the_training(stream):
    policy = tiny_policy()
    trainer = make(policy, FailingLoss(policy, range(5, 10**6)), steps=100, save_every=5)
    with pytest.raises(
        TrainingFailedError, match=r"not finite for 20 steps, up to step 25: lower trainer\.learning_rate"
    ):
        trainer.run(stream.from_step(0))
    assert trainer.skipped == MAX_SKIPPED_STEPS
    assert [step for *_, step in trainer.save] == [5]


@pytest.mark.fault("R7")
def test_a_loss_that_is_broken_at_the_end_is_no_success(stream):
    policy = tiny_policy()
    trainer = make(policy, FailingLoss(policy, {11}), save_every=5)
    with pytest.raises(TrainingFailedError, match="at the last step, 12"):
        trainer.run(stream.from_step(0))
    assert [step for *_, step in trainer.save] == [5, 10]


class Raising:
    """Validates or saves with an error."""

    def __init__(self, error):
        self.error = error

    def __call__(self, *_):
        raise self.error


@pytest.mark.fault("R7")
@pytest.mark.parametrize("place", ["validate", "save"])
@pytest.mark.parametrize("error", [ValueError("a file of another kind"), InputError("the disk is not yours")])
def test_an_error_that_is_not_of_the_numbers_keeps_its_own_words(stream, place, error):
    trainer = make()
    setattr(trainer, place, Raising(error))
    with pytest.raises(type(error), match=str(error)) as raised:
        trainer.run(stream.from_step(0))
    assert raised.value is error


@pytest.mark.fault("R7")
@pytest.mark.parametrize("place", ["validate", "save"])
def test_a_policy_whose_output_is_not_finite_is_told_to_learn_slower(stream, place):
    trainer = make()
    setattr(trainer, place, Raising(NonFiniteOutputError("the policy gave logits that are not finite")))
    with pytest.raises(TrainingFailedError, match=r"logits that are not finite: lower trainer\.learning_rate"):
        trainer.run(stream.from_step(0))


def test_checks_see_the_averaged_weights_and_leave_the_present_ones(stream):
    seen = []

    def validate(policy):
        assert not policy.training
        seen.append({name: tensor.clone() for name, tensor in policy.state_dict().items()})
        return {"loss": 1.0}

    trainer = make(validate=validate, save_every=6)
    trainer.run(stream.from_step(0))
    model, state, _ = trainer.save[-1]
    assert same(seen[-1], model)
    present = {f"weights.{name}": parameter for name, parameter in trainer.policy.named_parameters()}
    assert all(torch.equal(state[name], parameter) for name, parameter in present.items())
    assert not torch.equal(seen[-1]["trunk.queries"], trainer.policy.trunk.queries)
    assert trainer.policy.training


def test_everything_happens_when_it_is_due(stream):
    validated, evaluations = [], Evaluations()
    trainer = make(
        validate=lambda _: validated.append(trainer.step) or {},
        evaluate=evaluations,
        log_every=5,
        validate_every=4,
        evaluate_every=7,
        save_every=5,
    )
    trainer.run(stream.from_step(0))
    assert validated == [4, 8, 12]
    assert [(step, is_last) for step, is_last, _ in evaluations] == [(7, False), (12, True)]
    assert same(evaluations[-1][2], trainer.save[-1][0])  # the averaged weights
    assert evaluations.polls == 3
    assert [step for *_, step in trainer.save] == [5, 10, 12]
    assert [r["step"] for r in trainer.tracker if r["kind"] == "train"] == [5, 10, 12]
    assert [r["step"] for r in trainer.tracker if r["kind"] == "validation"] == [4, 8, 12]


@pytest.mark.parametrize(
    ("entry", "value", "says"),
    [
        ("steps", "abc", "trainer.steps must be a whole number, got 'abc'"),
        ("steps", 1.5, "trainer.steps must be a whole number, got 1.5"),
        ("batch_size", True, "trainer.batch_size must be a whole number"),
        ("learning_rate", "fast", "trainer.learning_rate must be a number"),
        ("learning_rate", -1.0, "trainer.learning_rate must be positive"),
        ("steps", 0, "trainer.steps must be positive"),
        ("ema_decay", 1.0, "trainer.ema_decay must lie in"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(entry, value, says):
    with pytest.raises(InputError, match=says.replace(".", r"\.")):
        TrainerConfig(**SETTINGS | {entry: value})


class HungryLoss(torch.nn.Module):
    """Fails as an allocator does, from the call after `good` ones on."""

    def __init__(self, policy, good, error):
        super().__init__()
        self.loss, self.left, self.error = build_loss(policy.tokenizer, {"name": "cross_entropy"}), good, error

    def forward(self, *arguments, **keywords):
        self.left -= 1
        if self.left < 0:
            raise self.error
        return self.loss(*arguments, **keywords)


@pytest.mark.fault("R8")
@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
        MemoryError(),
    ],
)
def test_out_of_memory_ends_the_training_and_keeps_the_last_checkpoint(stream, error):
    policy = tiny_policy()
    trainer = make(policy, HungryLoss(policy, 4, error), save_every=3)
    with pytest.raises(TrainingFailedError, match=r"step 5: out of memory: lower trainer.batch_size"):
        trainer.run(stream.from_step(0))
    assert [step for _, _, step in trainer.save] == [3]


def test_other_errors_are_not_taken_for_a_lack_of_memory(stream):
    policy = tiny_policy()
    with pytest.raises(RuntimeError, match="a bug"):
        make(policy, HungryLoss(policy, 0, RuntimeError("a bug"))).run(stream.from_step(0))


@pytest.mark.parametrize("parts", [2, 3, 8, 100])
def test_parts_of_a_batch_give_the_gradient_of_the_whole(stream, parts):
    whole, cut = make(), make(accumulate=parts)
    for batch in islice(stream.from_step(0), 5):  # some windows are half padding, so that parts count unequally
        first, second = whole.train_step(batch), cut.train_step(batch)
        assert second["loss"] == pytest.approx(float(first["loss"]), rel=1e-5)
        assert second["gradient_norm"] == pytest.approx(float(first["gradient_norm"]), rel=1e-4)


def test_training_ends_early_where_nothing_gets_better_and_is_resumed_so(stream):
    errors = iter([3.0, 2.0, 2.5, 2.0, 1.0, 9.0])
    trainer = make(
        validate=lambda _: {"action_error_by_step": [next(errors)]},
        steps=60,
        validate_every=3,
        patience=2,
        save_every=9,
    )
    trainer.run(stream.from_step(0))
    assert trainer.step == 12  # 2.5 and 2.0 are not below 2.0
    assert [step for *_, step in trainer.save] == [9, 12]
    model, state, step = trainer.save[0]
    again = make(validate=lambda _: {"action_error_by_step": [2.0]}, steps=60, validate_every=3, patience=2)
    again.policy.load_state_dict(model)
    again.restore(state, step)
    again.run(stream.from_step(step))
    assert again.step == 12


def test_half_precision_is_for_the_trunk_and_weights_stay_whole(stream):
    trainer, seen = make(precision="bfloat16"), []
    trainer.policy.trunk.register_forward_hook(lambda *a: seen.append(torch.get_autocast_dtype("cpu")))
    trainer.run(stream.from_step(0))
    assert seen[0] == torch.bfloat16
    assert {parameter.dtype for parameter in trainer.policy.parameters()} == {torch.float32}
    whole = make()
    whole.run(stream.from_step(0))
    first, second = (t.tracker[-1]["loss"] for t in (whole, trainer))
    assert second == pytest.approx(first, rel=0.02)
    assert second != first


class OwnNames(torch.nn.Module):
    """Cross-entropy with parts that are called as the record calls other things."""

    def __init__(self, policy):
        super().__init__()
        self.loss = build_loss(policy.tokenizer, {"name": "cross_entropy"})

    def forward(self, *arguments, **keywords):
        output = self.loss(*arguments, **keywords)
        return LossOutput(output.loss, {"loss": output.loss.detach() - 100, "step": torch.tensor(7.0)})


def test_parts_of_a_loss_do_not_hide_what_else_is_recorded(stream):
    policy = tiny_policy()
    trainer = make(policy, OwnNames(policy), steps=2, log_every=1)
    trainer.run(stream.from_step(0))
    for step, record in enumerate(trainer.tracker, start=1):
        assert record["part.loss"] == pytest.approx(record["loss"] - 100, abs=1e-4)
        assert record["loss"] > 0
        assert (record["step"], record["part.step"]) == (step, 7.0)
