"""Tasks about a picture of a table: what is drawn, said and judged."""

import gym_dist2  # noqa: F401  registers the ids
import gymnasium as gym
import mujoco
import numpy as np
import pytest
from gym_dist2.tabletop.grounding import iou
from gym_dist2.tabletop.phrases import MOST, SIDES
from gym_dist2.tabletop.things import COLOURS, SHAPES

GROUNDING = "gym_dist2/Grounding-v0"


def make(env_id, **kwargs):
    return gym.make(env_id, disable_env_checker=True, **kwargs).unwrapped


@pytest.fixture(scope="module")
def grounding():
    env = make(GROUNDING, render_mode="rgb_array")
    yield env
    env.close()


def named(things, phrase):
    """Return which things a phrase names, read without looking at how it was made."""
    words = phrase.removeprefix("the ").split()
    side = next((side for side in SIDES if f" {side} the " in phrase), None)
    if side:
        kind, mark = phrase.removeprefix("the ").split(f" {side} the ")
        (other,) = [t for t in things if f"{t.colour} {t.shape}" == mark]
        axis, sign = SIDES[side]
        return [t for t in things if t.shape == kind and sign * (t.place[axis] - other.place[axis]) > 0]
    some = [t for t in things if words[-1] in ("thing", t.shape)]
    if words[0] in MOST:
        axis, sign = MOST[words[0]]
        return [max(some, key=lambda t: sign * t.place[axis])]
    return [t for t in some if words[0] in (*SHAPES, t.colour)]


def test_a_phrase_names_exactly_one_thing(grounding):
    kinds = set()
    for seed in range(200):
        grounding.reset(seed=seed)
        phrase = grounding.task_description
        (thing,) = named(grounding.things, phrase)
        assert thing is grounding.things[grounding._target], phrase
        kinds |= {word for word in phrase.split() if word in (*MOST, "left", "right", "front", "behind")}
    assert kinds == {*MOST, "left", "right", "front", "behind"}


def test_a_seed_tells_picture_words_and_answer(grounding):
    other = make(GROUNDING)
    for seed in (3, 4):
        one, two = grounding.reset(seed=seed)[0], other.reset(seed=seed)[0]
        np.testing.assert_array_equal(one["pixels"]["front"], two["pixels"]["front"])
        assert grounding.task_description == other.task_description
        np.testing.assert_array_equal(grounding.expert_action(), other.expert_action())
    assert not np.array_equal(one["pixels"]["front"], grounding.reset(seed=5)[0]["pixels"]["front"])
    other.close()


@pytest.mark.parametrize("seed", range(12))
def test_the_box_is_where_the_renderer_draws_the_thing(grounding, seed):
    grounding.reset(seed=seed)
    for shape in (*SHAPES, "egg", "capsule"):
        table, thing = grounding.table, grounding.things[0]
        table.lay([thing.__class__(**{**vars(thing), "shape": shape})])
        size = 240
        with mujoco.Renderer(table._model, size, size) as renderer:
            renderer.enable_segmentation_rendering()
            renderer.update_scene(table._data, camera="front")
            rows, columns = np.nonzero(renderer.render()[..., 0] == 1)
        drawn = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        assert np.abs(np.clip(table.box(0), 0, 1) * size - drawn).max() < 1.5, shape


def test_the_expert_is_right_and_a_box_inside_out_is_not(grounding):
    for seed in range(30):
        grounding.reset(seed=seed)
        _, reward, terminated, truncated, info = grounding.step(grounding.expert_action())
        assert (terminated, truncated, info["is_success"]) == (True, False, True)
        assert reward == info["iou"] == pytest.approx(1.0, abs=1e-5)
        assert grounding.render().shape == (240, 240, 3)
        grounding.reset(seed=seed)
        left, top, right, bottom = grounding.expert_action()
        assert grounding.step(np.array([right, bottom, left, top]))[4] == {"is_success": False, "iou": 0.0}


def test_iou():
    box = np.array([0.2, 0.2, 0.6, 0.4])
    assert iou(box, box) == pytest.approx(1.0)
    assert iou(box, box + np.array([0.2, 0.0, 0.2, 0.0])) == pytest.approx(1 / 3)
    assert iou(box, box + 0.5) == 0.0
    assert iou(np.zeros(4), np.zeros(4)) == 0.0


def test_an_answer_that_is_no_number_is_an_error(grounding):
    grounding.reset(seed=0)
    _, _, terminated, truncated, info = grounding.step(np.full(4, np.nan))
    assert (terminated, truncated) == (False, True)
    assert "not finite" in info["simulation_error"]


def test_there_is_one_camera():
    with pytest.raises(ValueError, match="front"):
        make(GROUNDING, cameras=("wrist",))


def test_all_colours_and_shapes_come(grounding):
    seen = set()
    for seed in range(60):
        grounding.reset(seed=seed)
        seen |= {(t.shape, t.colour) for t in grounding.things}
    assert {shape for shape, _ in seen} == set(SHAPES)
    assert {colour for _, colour in seen} == set(COLOURS)


PLACE = "gym_dist2/TablePlace-v0"


@pytest.mark.parametrize("level", [1, 2, 3])
def test_the_expert_does_what_the_prompt_says(level):
    env = make(PLACE, level=level)
    for seed in range(40):
        env.reset(seed=seed)
        first, mark = env.things[:2]
        text = env.task_description
        assert f"{first.colour} {first.word}" in text
        assert text.endswith(f"{mark.colour} {mark.word}")
        assert sum((t.word, t.colour) == (first.word, first.colour) for t in env.things) == 1
        answer = env.expert_action()
        for around in (0, 360):  # the turn is on a circle
            env.reset(seed=seed)
            assert env.judge(answer + np.array([0, 0, 0, 0, around]))[:2] == (True, 1.0)
        assert ("turn" in text) == (answer[4] != 0)
        side = next((side for side in SIDES if f" {side} " in text), None)
        offset = answer[2:4] - env.table.project(np.array([[*mark.place, 0.0]]))[0]
        if side is None:
            assert np.abs(offset).max() < 1e-6
        else:
            axis, sign = SIDES[side]
            assert sign * offset[axis] * (-1) ** axis > 0.1  # y of a picture is downwards
        for part in range(5):
            wrong = answer.copy()
            wrong[part] += 15 if part == 4 else 0.25
            assert not env.judge(wrong)[0]
    env.close()


def test_levels_hold_back_what_they_test():
    words = {}
    for level in (1, 2, 3):
        env = make(PLACE, level=level)
        words[level] = set()
        for seed in range(60):
            env.reset(seed=seed)
            words[level].add((env.things[0].shape, env.things[0].colour))
        env.close()
    assert not words[1] & words[2]
    for of in (0, 1):  # each word for itself is known
        assert {pair[of] for pair in words[2]} <= {pair[of] for pair in words[1]}
    assert not {shape for shape, _ in words[3]} & {shape for shape, _ in words[1]}


def test_there_are_three_levels():
    with pytest.raises(ValueError, match="level"):
        make(PLACE, level=4)
