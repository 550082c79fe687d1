"""Cards, requests and chunks to messages and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dist2_robot.actions.spec import ActionSpec
from dist2_robot.deploy.inference import PolicyCard
from dist2_robot.deploy.link import ChunkRequest, TimedChunk
from dist2_robot.deploy.serving.schema import PROTOCOL_VERSION, MessageError, are_names, as_feature
from dist2_robot.errors import InputError
from dist2_robot.types import ObservationSpec

MAX_HORIZON = 4096  # steps of a chunk, as in a manifest


def card_message(card: PolicyCard) -> dict[str, Any]:
    """Return the message of a card; `read_card` undoes it.

    The units of what is observed travel inside ``observation``, where programs that do not know of them pass them over.
    """
    units = {name: list(some) for name, some in card.observation_units.items()}
    return {
        "type": "card",
        "version": PROTOCOL_VERSION,
        "checkpoint": card.checkpoint,
        "digest": card.digest,
        "form": card.form,
        "spec": card.spec.to_dict(),
        "horizon": card.horizon,
        "max_prefix": card.max_prefix,
        "observation": {**card.observation.to_dict(), **({"units": units} if units else {})},
        "observation_names": {name: list(names) for name, names in card.observation_names.items()},
        "tasks": list(card.tasks),
        "tokenizer": dict(card.tokenizer),
        "golden_wrong": card.golden_wrong,
    }


def read_card(message: Mapping[str, Any]) -> PolicyCard:
    """Return the card of a checked message. Raises MessageError where its tables make none."""
    fields: dict[str, Any] = {name: value for name, value in message.items() if name not in ("type", "version")}
    try:
        fields["spec"] = ActionSpec.from_dict(message["spec"])
        fields["observation"] = ObservationSpec.from_dict(message["observation"])
        fields["observation_units"] = message["observation"].get("units", {})
        if not are_names(fields["observation_units"]):
            raise ValueError(f"units are {fields['observation_units']!r}")
    except (InputError, TypeError, ValueError, OverflowError, KeyError, AttributeError) as error:
        raise MessageError(f"'card' describes no policy: {' '.join(str(error).split())[:200]}") from error
    sizes, names = fields["observation"].numbers, {**fields["observation_names"]}
    odd = [name for name, some in names.items() if name in sizes and len(some) != sizes[name]]
    if odd or not 1 <= fields["horizon"] <= MAX_HORIZON or fields["max_prefix"] > fields["horizon"]:
        raise MessageError(f"'card' describes no policy: no valid {odd[0] if odd else 'horizon'}"[:200])
    fields["tasks"] = tuple(message["tasks"])
    return PolicyCard(**fields)


def request_message(request: ChunkRequest) -> dict[str, Any]:
    """Return the message of a request; `read_request` undoes it. Numbers become float32, pictures stay bytes."""
    return {
        "type": "request",
        "sequence": request.sequence,
        "observed_s": float(request.observed_s),
        "features": {name: as_feature(x) for name, x in request.features.items()},
        "prefix": np.asarray(request.prefix, np.float32),
        "task": request.task,
    }


def read_request(message: Mapping[str, Any]) -> ChunkRequest:
    """Return the request of a checked message; without a prefix it has one of no steps."""
    prefix = np.zeros((0, 0), np.float32) if message["prefix"] is None else message["prefix"]
    return ChunkRequest(message["sequence"], message["observed_s"], message["features"], prefix, message["task"])


def chunk_message(chunk: TimedChunk) -> dict[str, Any]:
    """Return the message of a chunk; `read_chunk` undoes it."""
    return {
        "type": "chunk",
        "sequence": chunk.sequence,
        "observed_s": float(chunk.observed_s),
        "actions": np.asarray(chunk.actions, np.float32),
        "entropy": None if chunk.entropy is None else np.asarray(chunk.entropy, np.float32),
        "expected_error": None if chunk.expected_error is None else np.asarray(chunk.expected_error, np.float32),
        "inference_s": float(chunk.inference_s),
    }


def read_chunk(message: Mapping[str, Any]) -> TimedChunk:
    """Return the chunk of a checked message."""
    return TimedChunk(**{name: value for name, value in message.items() if name != "type"})


def error_message(sequence: int | None, error_id: str, text: str) -> dict[str, Any]:
    """Return what a client is told of a request that failed."""
    return {"type": "error", "sequence": sequence, "id": error_id, "text": text[:1000]}
