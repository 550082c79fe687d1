"""A policy whose units nobody told is refused by an arm, and goes once they are told."""

from dataclasses import replace

import pytest

from dist2_robot.actions.told_spec import told_spec
from dist2_robot.deploy.loop.fitness import differences
from dist2_robot.deploy.loop.settings import ControlSettings
from dist2_robot.deploy.serving.in_process_link import InProcessLink
from dist2_robot.deploy.told_link import ToldLink, tell_card
from dist2_robot.errors import InputError
from tests.deploy.fakes import FakeClock, FakeRobot
from tests.deploy.rigs import Mover, card_of


def unknown(spec):
    return replace(spec, dimensions=tuple(replace(d, unit="?") for d in spec.dimensions))


def test_a_policy_of_unknown_units_is_told_them_and_fits():
    robot = FakeRobot(FakeClock()).description
    settings = ControlSettings(rate_hz=robot.spec.rate_hz)
    card = replace(card_of(unknown(robot.spec)), observation_units={})
    assert all("say spec=arm.yaml" in line for line in differences(card, robot, settings))
    assert differences(card, robot, settings)
    told = told_spec({"action": [{"name": d.name, "unit": d.unit} for d in robot.spec.dimensions]}, "'arm.yaml'")
    link = ToldLink(InProcessLink(Mover(card, robot.limits.low, step=1.0), FakeClock()), told)
    assert link.card.spec.units == robot.spec.units
    assert differences(link.card, robot, settings) == []


def test_what_is_told_of_a_policy_does_not_change_what_is_known():
    robot = FakeRobot(FakeClock()).description
    first = robot.spec.dimensions[0]
    with pytest.raises(InputError, match=f"'{first.name}' has unit furlong, the policy was trained with {first.unit}"):
        tell_card(card_of(robot.spec), told_spec({"action": [{"name": first.name, "unit": "furlong"}]}, "'arm.yaml'"))
