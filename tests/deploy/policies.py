"""A policy that answers as it is told, and one that was saved."""

import threading
from collections.abc import Mapping

import numpy as np

from dist2_robot.actions.spec import ActionDimension, ActionSpec
from dist2_robot.deploy.forms.inference_checks import check_answer, check_request
from dist2_robot.deploy.inference import Inferred, PolicyCard
from dist2_robot.deploy.link import ChunkRequest
from dist2_robot.types import ObservationSpec

STATE, FRONT = "observation.state", "observation.images.front"
SPEC = ActionSpec(
    (ActionDimension("pan", "joint", "deg", -90.0, 90.0), ActionDimension("gripper", "gripper", "%", 0.0, 100.0)),
    "absolute",
    20.0,
    "robot",
)


def card(**changes) -> PolicyCard:
    values = {
        "checkpoint": "runs/test",
        "digest": "0" * 64,
        "form": "eager",
        "spec": SPEC,
        "horizon": 3,
        "max_prefix": 2,
        "observation": ObservationSpec({STATE: 2}, {FRONT: (4, 6)}),
        "observation_names": {STATE: ["pan", "gripper"]},
        "tasks": ("Push.",),
        "tokenizer": {"name": "uniform", "horizon": 3, "bins": 16},
        "golden_wrong": 0,
    }
    return PolicyCard(**values | changes)


def features(value: float = 0.5) -> dict[str, np.ndarray]:
    return {STATE: np.full(2, value, np.float32), FRONT: np.zeros((4, 6, 3), np.uint8)}


def request(sequence: int = 0, value: float = 0.5, observed_s: float = 1.0) -> ChunkRequest:
    return ChunkRequest(sequence, observed_s, features(value), np.zeros((0, 2), np.float32), "Push.")


class FakeInference:
    """Its actions are the first number of the state. May be held up, or told to fail."""

    def __init__(self, **changes) -> None:
        self.card = card(**changes)
        self.asked: list[float] = []
        self.resets = 0
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Event()

    def infer(self, features: Mapping[str, np.ndarray], task: str | None, prefix: np.ndarray | None) -> Inferred:
        check_request(self.card, features, task, prefix)
        self.asked.append(float(features[STATE][0]))
        self.begun.set()
        assert self.gate.wait(10)
        if self.error is not None:
            raise self.error
        actions = np.full((3, 2), features[STATE][0], np.float32)
        answer = Inferred(actions, np.full(3, 0.5, np.float32), np.full((3, 2), 0.1, np.float32), 0.001)
        check_answer(self.card, answer)
        return answer

    def reset(self) -> None:
        self.resets += 1
