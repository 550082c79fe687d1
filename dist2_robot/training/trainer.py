"""The training loop."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule

from dist2_robot.finite import NonFiniteOutputError
from dist2_robot.policies.learner import Learner
from dist2_robot.progress import progress_bar
from dist2_robot.seeding import stream_seed
from dist2_robot.tracking.protocol import Tracker
from dist2_robot.training.config import TrainerConfig
from dist2_robot.training.ema import WeightAverage, trained
from dist2_robot.training.patience import Patience
from dist2_robot.training.processes import join_processes
from dist2_robot.training.schedule import learning_rate
from dist2_robot.training.sharding import share_out, whole
from dist2_robot.training.state import restore_training_state, training_state
from dist2_robot.training.step import TrainingStep
from dist2_robot.training.stop import TrainingStoppedError
from dist2_robot.types import Batch

# Takes the policy with averaged weights, returns the content of a record.
Check = Callable[[Any], Mapping[str, Any]]
# Takes the state of the policy (averaged weights), the state of the training, and the step.
Save = Callable[[dict[str, Tensor], dict[str, Tensor], int], None]

MAX_SKIPPED_STEPS = 20  # with a loss or gradient that is not finite, in a row
_NO_MEMORY = ("out of memory", "can't allocate memory")  # what torch says on a GPU, and on a CPU
_LOWER_THE_RATE = "lower trainer.learning_rate; the last checkpoint is intact"


class Evaluator(Protocol):
    """Finds out beside the training how well a policy does."""

    def submit(self, model: dict[str, Tensor], step: int, *, is_last: bool) -> None:
        """Keep the weights of a step, and start to evaluate them or put that off."""

    def poll(self) -> None:
        """Take note of what has been found out."""


class TrainingFailedError(Exception):
    """Training cannot go on: the loss stayed non-finite, or memory is out."""


class Trainer:
    """AdamW with warm-up, cosine, clipping and a moving average of the weights, on one process or many.

    Several processes, and several parts of a batch one after the other, give the gradient of the whole batch: each
    part counts by what it holds that is no padding.

    Args:
        policy: What is trained, on its device; a policy, or another `Learner`.
        loss: A `TokenLoss`, or for a policy without tokens a loss of its errors.
        config: How long and how fast.
        tracker: Where the numbers go.
        validate: Called with the averaged policy every ``validate_every`` steps and at the end; None for never. Its
            record's ``action_error_by_step`` is what early stopping looks at.
        evaluate: Given the averaged weights every ``evaluate_every`` steps and at the end; None for never.
        save: Called every ``save_every`` steps and at the end.
        is_stopped: Asked after every step; once it says yes, the training is saved and ends.
        seed: Of what losses, augmentation and dropout draw; each step's is a function of it and of the step.
        augment: Changes what is observed of a batch, with draws of its own.
        accelerator: The processes; one by default.
    """

    def __init__(
        self,
        policy: Learner,
        loss: nn.Module,
        config: TrainerConfig,
        *,
        tracker: Tracker,
        validate: Check | None,
        evaluate: Evaluator | None,
        save: Save,
        is_stopped: Callable[[], bool] = lambda: False,
        seed: int = 0,
        augment: Callable[[Batch], Batch] = lambda batch: batch,
        accelerator: Accelerator | None = None,
    ) -> None:
        self.policy, self.config, self.is_stopped = policy, config, is_stopped
        self.tracker, self.validate, self.evaluate, self.save = tracker, validate, evaluate, save
        self.seed, self.augment = seed, augment
        self.device = next(policy.parameters()).device
        self.accelerator = accelerator or join_processes(cpu=self.device.type == "cpu")
        if config.compile:
            policy.trunk.compile()
        self.model: nn.Module = TrainingStep(policy, loss)
        self._shards: FSDPModule | None = None
        if self.accelerator.num_processes > 1 and config.shard:
            processes = self.accelerator.num_processes
            self._shards = share_out(self.model, policy.trunk.blocks, self.device, processes)
        elif self.accelerator.num_processes > 1:
            self.model = self.accelerator.prepare_model(self.model)
        self.average = WeightAverage(policy, config.ema_decay)
        parameters = [parameter for _, parameter in trained(policy)]
        self.optimizer = torch.optim.AdamW(
            parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.patience = Patience(config.patience)
        self.step = 0
        self.skipped = 0
        self._skipped_in_a_row = 0

    def restore(self, tensors: dict[str, Tensor], step: int) -> None:
        """Go on from a checkpoint; the policy already holds the averaged weights of it."""
        restore_training_state(self.policy, self.optimizer, self.average, tensors)
        self.skipped = int(tensors.get("trainer.skipped", 0))
        self.patience.restore(tensors)
        self.step = step

    def run(self, batches: Iterator[Batch]) -> None:
        """Train until the last step. `batches` must start with the one of the present step.

        Raises:
            TrainingFailedError: The loss stayed non-finite, or memory is out.
            TrainingStoppedError: It was asked to stop; a checkpoint of the present step was saved, unless the loss was
                not finite there.
        """
        config = self.config
        self.policy.train()
        hidden = not self.accelerator.is_main_process
        progress = progress_bar(
            total=config.steps, initial=self.step, desc="train", unit="step", smoothing=0.05, disable=hidden
        )
        clock, clock_step = time.monotonic(), self.step
        with progress:
            while self.step < config.steps and not self.patience.is_over:
                batch, parts = self._next_step(batches)
                progress.update()
                if self.step % config.log_every == 0 or self.step == config.steps:
                    now = time.monotonic()
                    samples = (self.step - clock_step) * len(batch.actions) * self.accelerator.num_processes
                    samples_per_s = samples / max(now - clock, 1e-9)
                    clock, clock_step = now, self.step
                    record = {name: float(value) for name, value in parts.items()}
                    progress.set_postfix(
                        loss=f"{record['loss']:.3f}", samples_per_s=f"{samples_per_s:.0f}", refresh=False
                    )
                    self._log("train", {**record, "samples_per_s": samples_per_s, "skipped_steps": self.skipped})
                    if self.evaluate is not None:
                        self.evaluate.poll()
                try:
                    self._check_and_save()
                except NonFiniteOutputError as error:  # finite weights, yet so large that what they give is not
                    raise TrainingFailedError(f"step {self.step}: {error}: {_LOWER_THE_RATE}") from error
                if self._agree(self.is_stopped()) and self.step < config.steps:
                    if not (self._skipped_in_a_row or _is_due(self.step, config.save_every)):
                        self._save()
                    raise TrainingStoppedError(f"stopped at step {self.step}; go on with resume=true")

    def _next_step(self, batches: Iterator[Batch]) -> tuple[Batch, dict[str, Tensor | float]]:
        """Take a step with the next batch. Raises TrainingFailedError where memory is out."""
        try:
            batch = next(batches).to(self.device)
            return batch, self.train_step(batch)
        except (RuntimeError, MemoryError) as error:
            if not (isinstance(error, MemoryError) or any(words in str(error) for words in _NO_MEMORY)):
                raise
            raise TrainingFailedError(
                f"step {self.step + 1}: out of memory: lower trainer.batch_size, raise trainer.accumulate or take a "
                "smaller size=; the last checkpoint is intact"
            ) from error

    def train_step(self, batch: Batch) -> dict[str, Tensor | float]:
        """Take one step of the optimiser and count it; skip it where loss or gradient are not finite."""
        config = self.config
        torch.manual_seed(stream_seed(self.seed, "step", self.step) + self.accelerator.process_index)
        rate = learning_rate(self.step, peak=config.learning_rate, warmup_steps=config.warmup_steps, steps=config.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        loss, parts = self._gradient(self.augment(batch))
        norm = whole(nn.utils.clip_grad_norm_(self.policy.parameters(), config.gradient_clip).detach())
        if math.isfinite(norm) and math.isfinite(loss):
            self.optimizer.step()
            self.average.update(self.policy)
            self._skipped_in_a_row = 0
        else:
            self._skip()
        self.step += 1
        return {"loss": loss, **parts, "gradient_norm": norm, "learning_rate": rate}

    def _gradient(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Work out the gradient of the whole batch, part by part, and return its loss and what that is made of."""
        parts = batch.split(self.config.accumulate)
        scales = self._scales(parts)
        total: dict[str, Tensor] = {}
        for i, (part, scale) in enumerate(zip(parts, scales, strict=True)):
            is_last = i == len(parts) - 1
            with self._gathering(is_last), self._precision():
                loss, made_of = self.model(part)
            self.accelerator.backward(loss * scale if scale is not None else loss)
            for name, value in {"loss": loss.detach(), **made_of}.items():
                share = value if scale is None else value * scale
                total[name] = total[name] + share if name in total else share
        if self.accelerator.num_processes > 1:
            means = self.accelerator.reduce(torch.stack([x.float() for x in total.values()]), "mean")
            total = dict(zip(total, means, strict=True))  # type: ignore[arg-type]
        return total.pop("loss"), total

    def _gathering(self, is_last: bool) -> AbstractContextManager[Any]:
        """Let the processes add up their gradients after the last part of a batch only."""
        if self._shards is not None:
            self._shards.set_requires_gradient_sync(is_last)
        elif not is_last:
            return self.accelerator.no_sync(self.model)
        return nullcontext()

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16")

    def _scales(self, parts: list[Batch]) -> list[Tensor] | list[None]:
        """Return what each part's mean is multiplied by, so that the mean over processes is that of the whole batch."""
        processes = self.accelerator.num_processes
        if processes == len(parts) == 1:
            return [None]
        counts = torch.stack([self.policy.count(part) for part in parts]).float()
        total = self.accelerator.reduce(counts.sum(), "sum")
        return list(counts * processes / total.clamp(min=1))  # type: ignore[union-attr]

    def _agree(self, wish: bool) -> bool:
        """Return whether any of the processes wishes it."""
        if self.accelerator.num_processes == 1:
            return wish
        return bool(self.accelerator.reduce(torch.tensor(float(wish), device=self.device), "sum"))

    def _skip(self) -> None:
        self.skipped += 1
        self._skipped_in_a_row += 1
        if self._skipped_in_a_row >= MAX_SKIPPED_STEPS:
            raise TrainingFailedError(
                f"the loss was not finite for {MAX_SKIPPED_STEPS} steps, up to step {self.step + 1}: {_LOWER_THE_RATE}"
            )

    def _check_and_save(self) -> None:
        config, last = self.config, self.step == self.config.steps
        if self._skipped_in_a_row:  # the weights themselves may be broken: neither judge nor keep them
            if last:
                raise TrainingFailedError(f"the loss was not finite at the last step, {self.step}: {_LOWER_THE_RATE}")
            return
        if self.validate and (last or _is_due(self.step, config.validate_every)):
            found = self._with_average(self.validate)
            self._log("validation", found)
            self.patience.note(found)
        last = last or self.patience.is_over
        is_judged = config.evaluate_every > 0 and (last or _is_due(self.step, config.evaluate_every))
        model = self.average.state(self.policy) if is_judged else {}  # all processes have a part in it
        if is_judged and self.evaluate is not None:  # before the checkpoint, to be found by who goes on from that
            self.evaluate.submit(model, self.step, is_last=last)
        if last or _is_due(self.step, config.save_every):
            self._save()

    def _save(self) -> None:
        state = training_state(self.policy, self.optimizer, self.average)
        state |= {"trainer.skipped": torch.tensor(self.skipped), **self.patience.state()}
        model = self.average.state(self.policy)
        if self.accelerator.is_main_process:
            self.save(model, state, self.step)
        self.accelerator.wait_for_everyone()

    @torch.no_grad()
    def _with_average(self, check: Check) -> Mapping[str, Any]:
        """Call a check on the policy with averaged weights, then put the present weights back."""
        present = {name: parameter.clone() for name, parameter in trained(self.policy)}
        for name, parameter in trained(self.policy):
            parameter.copy_(self.average.average[name])
        self.policy.eval()
        if self._shards is not None:
            self._shards.unshard()
        try:
            return check(self.policy)
        finally:
            if self._shards is not None:
                self._shards.reshard()
            for name, parameter in trained(self.policy):
                parameter.copy_(present[name])
            self.policy.train()

    def _log(self, kind: str, content: Mapping[str, Any]) -> None:
        if self.accelerator.is_main_process:
            self.tracker.log({"kind": kind, "step": self.step, **content})


def _is_due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
