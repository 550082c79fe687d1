"""How long and how fast to train."""

from dataclasses import dataclass, fields

from dist2_robot.errors import InputError

PRECISIONS = ("float32", "bfloat16")


@dataclass(frozen=True)
class TrainerConfig:
    """Attributes:
    steps: Optimiser steps.
    batch_size: Windows a step, of all processes together.
    learning_rate: Its peak, after the warm-up.
    weight_decay: Of AdamW.
    warmup_steps: Steps of linear rise; a cosine to zero follows.
    gradient_clip: Largest norm of the gradient.
    ema_decay: Of the moving average of the weights, which is what is evaluated and saved.
    log_every: Steps between training records.
    validate_every: Steps between validations on held-out episodes; 0 for only at the end.
    save_every: Steps between checkpoints; 0 for only at the end.
    evaluate_every: Steps between success checks in simulation; 0 for none.
    accumulate: Parts that each process cuts its share of a batch into, to need less memory.
    patience: Validations without a smaller error after which training stops early; 0 to go on to the last step.
    precision: ``float32``, or ``bfloat16`` for what the trunk computes.
    compile: Whether the trunk is compiled by torch.
    shard: Whether several processes share the weights out among them.
    """

    steps: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    warmup_steps: int
    gradient_clip: float
    ema_decay: float
    log_every: int
    validate_every: int
    save_every: int
    evaluate_every: int
    accumulate: int = 1
    patience: int = 0
    precision: str = "float32"
    compile: bool = False
    shard: bool = False

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if entry.type in (str, bool):
                continue
            if isinstance(value, bool) or not isinstance(value, int if entry.type is int else int | float):
                what = "a whole number" if entry.type is int else "a number"
                raise InputError(f"trainer.{entry.name} must be {what}, got {value!r}")
        positive = ("steps", "batch_size", "accumulate", "learning_rate", "gradient_clip", "log_every")
        for name in positive:
            if getattr(self, name) <= 0:
                raise InputError(f"trainer.{name} must be positive, got {getattr(self, name)}")
        if not 0 <= self.ema_decay < 1:
            raise InputError(f"trainer.ema_decay must lie in [0, 1), got {self.ema_decay}")
        if self.precision not in PRECISIONS:
            raise InputError(f"trainer.precision must be one of {', '.join(PRECISIONS)}, got {self.precision!r}")
        if self.patience and not self.validate_every:
            raise InputError("trainer.patience counts validations: give trainer.validate_every, too")
