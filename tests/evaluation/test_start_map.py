"""The map of where episodes started."""

import numpy as np

from dist2_robot.evaluation.run_files import RunFiles
from dist2_robot.evaluation.start_map import FEATURE, moving_places, start_map_figure

NAMES = ["hand_x", "hand_y", "cube_x", "cube_y", "cube_z", "post_x", "post_y", "previous_cube_x", "previous_cube_y"]


def episodes(count=6):
    generator = np.random.default_rng(0)
    starts = generator.uniform(size=(count, len(NAMES)))
    starts[:, 5:7] = 0.2  # the post stands still
    outcomes = ["success", "failure", "error"] * count
    return [{"outcome": o, "start": {FEATURE: s.tolist()}} for o, s in zip(outcomes, starts, strict=False)]


def run(tmp_path, entries, names=NAMES):
    results = {"per_episode": entries, "observation_names": {FEATURE: names}}
    return RunFiles("run", tmp_path, tmp_path, config={}, metrics=(), examples=(), summary={}, results=results)


def test_places_that_differ_are_shown_and_the_robot_is_not():
    assert moving_places(NAMES, episodes()) == [("cube", 2, 3)]


def test_outcomes_are_told_apart(tmp_path):
    figure = start_map_figure(run(tmp_path, episodes()))
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["success 2", "failure 2", "error 2"]


def test_without_a_start_or_names_there_is_no_map(tmp_path):
    assert start_map_figure(run(tmp_path, [{"outcome": "success"}])) is None
    assert start_map_figure(run(tmp_path, episodes(), names=NAMES[:3])) is None
    assert start_map_figure(run(tmp_path, episodes(), names=[])) is None
