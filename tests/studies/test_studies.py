"""What the studies ask for."""

import re

import pytest

from dist2_robot.errors import InputError
from dist2_robot.studies.acceptance import few_demonstrations
from dist2_robot.studies.effort import Effort, Lessons, Place, places
from dist2_robot.studies.heads_and_losses import BASELINES, REFERENCES, heads_and_losses
from dist2_robot.studies.method import Method
from tests.studies.synthetic_rows import rows_by_task

KNOWN = {
    "head": ["free", "mixture"],
    "loss": ["cross_entropy", "dist2", "dist2_energy", "dist2_paper", "emd", "l1", "label_smoothing", "mse"],
    "policy": ["regression", "token"],
    "env": ["metaworld", "point_around"],
}
TASKS = ["push-v3", "point_around"]
LESSONS = Lessons(places(TASKS, ["point_around"]), demonstrations=10, collected=25, options=["policy.width=8"])
SCREEN = Effort([0], 800, 16, 200, 1000)
FINAL = Effort([1, 2, 3], 1500, 50, None, 2000)


def study(known=KNOWN, **changes):
    settings = {"heads": None, "losses": None, "also": [], "decodings": None, "multimodal": ["point_around"]}
    return heads_and_losses(known, LESSONS, **(settings | {"screen": SCREEN, "final": FINAL, "best": 2} | changes))


def test_the_screen_is_every_known_head_with_every_known_loss_and_regression():
    jobs = study().stages[0].jobs([])
    methods = {job.method for job in jobs}
    token_losses = set(KNOWN["loss"]) - {"l1", "mse"}
    pairs = {Method(head, loss) for head in KNOWN["head"] for loss in token_losses}
    assert methods == pairs | {Method("regression", "l1"), Method("regression", "mse")}
    assert len(jobs) == len(methods) * len(TASKS)
    assert {job.method for job in jobs if job.may_be_refused} == pairs


def test_every_job_has_a_folder_of_its_own_without_odd_characters():
    also = [{"head": "mixture", "loss": "dist2", "variant": f"temperature.tau={tau} loss.alpha=1"} for tau in (1, 0.5)]
    jobs = study(also=also, screen=Effort([0, 1], 1, 1, 1, 0)).stages[0].jobs([])
    names = [job.name for job in jobs]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[\w./-]+", name) for name in names)


def test_a_job_is_a_command_line_of_dist2_train():
    [job] = [job for job in study().stages[0].jobs([]) if job.name == "screen/push-v3/mixture-emd-seed0"]
    assert job.train_options == (
        *("env=metaworld", "task=push-v3", "dataset.episodes=10", "dataset.validation=0.0", "trainer.steps=800"),
        *("policy.width=8", "seed=0", "head=mixture", "loss=emd"),
    )
    assert job.data.options == ("env=metaworld", "task=push-v3", "episodes=25", "seed=0")
    assert (job.episodes, job.max_steps, job.evaluation_seed) == (16, 200, 1000)
    [job] = [job for job in study().stages[0].jobs([]) if job.name == "screen/point_around/regression-l1-seed0"]
    assert "env=point_around" in job.train_options
    assert job.train_options[-2:] == ("policy=regression", "loss=l1")
    assert job.decodings == ("default",)


def test_sampling_is_tried_where_there_are_several_right_answers():
    jobs = [job for job in study().stages[0].jobs([]) if job.method.head == "free"]
    assert {job.task for job in jobs if "sample" in job.decodings} == {"point_around"}
    assert {job.decodings for job in study(decodings=["mean"]).stages[0].jobs([]) if job.task == "push-v3"} == {
        ("mean",),
        ("default",),
    }


def screen_rows():
    """The best three are mixture-emd by argmax, free-dist2 by the mean, and one of the baselines."""
    chosen = [("mixture", "emd", 0.9, "argmax"), ("mixture", "emd", 0.5, "mean"), ("free", "dist2", 0.8, "mean")]
    chosen += [("regression", "l1", 0.7, "none"), ("free", "cross_entropy", 0.1, "median")]
    return [
        row
        for head, loss, rate, decoding in chosen
        for row in rows_by_task(Method(head, loss), rate, rate, tasks=TASKS, decoding=decoding)
    ]


def test_the_final_is_the_best_with_their_best_decoding_and_all_baselines():
    jobs = study().stages[1].jobs(screen_rows())
    best = {Method("mixture", "emd"): ("argmax",), Method("free", "dist2"): ("mean",)}
    expected = best | dict.fromkeys(BASELINES, ("default",)) | {Method("free", "cross_entropy"): ("median",)}
    assert {job.method: job.decodings for job in jobs} == expected
    assert len(jobs) == len({job.name for job in jobs}) == len(expected) * 3 * len(TASKS)
    assert not any(job.may_be_refused for job in jobs)
    assert set(REFERENCES) <= {job.method for job in jobs}


def test_a_baseline_that_is_among_the_best_is_not_done_twice():
    jobs = study(best=3).stages[1].jobs(screen_rows())
    assert len(jobs) == len({job.name for job in jobs})
    assert len({job.method for job in jobs}) == 2 + len(BASELINES)


def test_the_final_shares_neither_training_seeds_nor_states_with_the_screen():
    screen, final = study().stages
    first, second = screen.jobs([]), final.jobs(screen_rows())
    assert not {job.seed for job in first} & {job.seed for job in second}
    assert not {job.evaluation_seed for job in first} & {job.evaluation_seed for job in second}
    # All methods meet the same states, and each training seed others.
    assert {(job.seed, job.evaluation_seed) for job in second} == {(1, 2001), (2, 2002), (3, 2003)}


def test_only_what_is_named_must_be_known():
    fewer = KNOWN | {"loss": ["cross_entropy", "dist2"]}
    assert {job.method.loss for job in study(fewer).stages[0].jobs([])} == {"cross_entropy", "dist2"}
    with pytest.raises(InputError, match=r"no loss 'emd'"):
        study(fewer, losses=["dist2", "emd"])
    with pytest.raises(InputError, match=r"no head 'mixtur'. Did you mean 'mixture'\?"):
        study(heads=["mixtur"])
    with pytest.raises(InputError, match=r"no loss 'dist3'. Did you mean 'dist2'\?"):
        study(also=[{"loss": "dist3"}])
    with pytest.raises(InputError, match="los"):
        study(also=[{"los": "dist2"}])
    baselines = {job.method for job in study(fewer).stages[1].jobs([])}
    assert baselines == {Method("free", "cross_entropy"), Method("mixture", "cross_entropy")}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Effort([], 1, 1, None, 0), "training seeds"),
        (lambda: Effort([-1], 1, 1, None, 0), "training seeds"),
        (lambda: Effort([0], 0, 1, None, 0), "steps"),
        (lambda: Lessons(places(TASKS, []), 11, 10, []), r"study.demonstrations=11 must lie in 1..study.collected=10"),
        (lambda: Lessons({}, 1, 1, []), "study.tasks"),
        (lambda: few_demonstrations(KNOWN, LESSONS, methods=[{}], effort=FINAL), "at least two"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(make, says):
    with pytest.raises(InputError, match=says):
        make()


def test_a_task_may_be_any_environment_with_options_of_its_own():
    entry = {"environment": ["env=so101", "task=Lift"], "recording": ["noise=0.2"]}
    found = places({"Lift-joint": entry, "Reach": {"environment": ["env=so101", "task=Reach"]}}, [])
    assert found["Reach"] == Place(("env=so101", "task=Reach"))
    job = Lessons(found, 1, 2, []).job("final", FINAL, "Lift-joint", Method("free", "emd"), 0, ["argmax"])
    assert job.data.options == ("env=so101", "task=Lift", "episodes=2", "seed=0", "noise=0.2")
    assert job.train_options[:2] == ("env=so101", "task=Lift")
    assert "noise=0.2" not in job.train_options
    for wrong in ("env=so101", {"recording": []}, entry | {"recordings": []}):
        with pytest.raises(InputError, match=r"study\.tasks\.Lift"):
            places({"Lift": wrong}, [])


def test_the_first_method_is_compared_with_the_others():
    methods = [{}, {"head": "regression", "loss": "l1"}, {"head": "free", "decodings": ["argmax", "mean"]}]
    found = few_demonstrations(KNOWN, LESSONS, methods=methods, effort=FINAL)
    assert found.subjects == (Method(),)
    assert found.references == (Method("regression", "l1"), Method("free"))
    jobs = found.stages[0].jobs([])
    assert {job.decodings for job in jobs if job.method == Method("free")} == {("argmax", "mean")}
    assert [job.train_options[-1] for job in jobs if job.method == Method()] == ["seed=1"] * 2 + ["seed=2"] * 2 + [
        "seed=3"
    ] * 2
    assert len(jobs) == 3 * 3 * len(TASKS)
