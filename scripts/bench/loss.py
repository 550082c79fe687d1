"""What DIST2Loss costs beside cross-entropy: time and memory of a forward and a backward pass.

    python scripts/bench/loss.py

Both in turn on the same logits, in one process, with one group of targets: bins of (8192, 256) logits, and a codebook
of 16,384 codes with (2048, 16384) logits, with whole targets and with a few neighbours only. Times are CPU time of all
threads, which do not spin while they wait (on a GPU: wall time), medians of the repeats. Memory is the highest sum of
what torch allocated and had not freed during a pass, as its profiler records it; the table of targets was there before,
and is not in it.
"""

import argparse
import os
import shutil
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from dist2_robot.distances.points import TokenPoints
from dist2_robot.distances.squared import SquaredDistance
from dist2_robot.losses.dist2 import Dist2Loss

NEIGHBOURS = 64


def bins(vocab_size: int) -> Dist2Loss:
    """Return DIST2Loss of equal bins, one tolerance wide."""
    points = TokenPoints.of_values(torch.arange(float(vocab_size)))
    return Dist2Loss(points.distances(SquaredDistance()))


def codebook(vocab_size: int, neighbours: int | None) -> Dist2Loss:
    """Return DIST2Loss of random codes of 8 numbers with squared distances."""
    codes = torch.randn(1, vocab_size, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    points = TokenPoints(codes, torch.tensor([0]))
    if neighbours is None:
        return Dist2Loss(points.distances(SquaredDistance()), tau=1.0)
    return Dist2Loss.from_points(points, SquaredDistance(), 1.0, neighbours=neighbours)


def one_pass(loss: Callable[[Tensor, Tensor], Tensor], logits: Tensor, targets: Tensor) -> None:
    """Go forward and back."""
    logits.grad = None
    loss(logits, targets).backward()


def seconds(work: Callable[[], None], is_cuda: bool) -> float:
    """Return the CPU time of all threads that work takes, or on a GPU the wall time."""
    clock = time.perf_counter if is_cuda else time.process_time
    if is_cuda:
        torch.cuda.synchronize()
    started = clock()
    work()
    if is_cuda:
        torch.cuda.synchronize()
    return clock() - started


def peak_bytes(work: Callable[[], None], is_cuda: bool) -> int:
    """Return the most that torch had allocated during work beyond what it had before."""
    if is_cuda:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        work()
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    assert profiler.profiler is not None
    events = profiler.profiler.kineto_results.events()  # type: ignore[union-attr]
    memory = sorted((e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]")  # type: ignore[attr-defined]
    held = peak = 0
    for _, size in memory:
        held += size
        peak = max(peak, held)
    return peak


def measure(
    name: str, dist2: Dist2Loss, shape: tuple[int, int], compiled: bool, target: float, arguments: argparse.Namespace
) -> float:
    """Print one line, and return how many times as long as cross-entropy DIST2Loss takes."""
    is_cuda = arguments.device.startswith("cuda")
    torch.manual_seed(0)
    logits = torch.randn(shape, device=arguments.device, requires_grad=True)
    targets = torch.randint(shape[1], shape[:1], device=arguments.device)
    dist2.to(arguments.device)
    losses = {"cross-entropy": F.cross_entropy, "dist2": lambda x, t: dist2(x, t).loss}
    if compiled:
        torch._dynamo.reset()
        losses = {label: torch.compile(loss) for label, loss in losses.items()}
    works = {label: lambda loss=loss: one_pass(loss, logits, targets) for label, loss in losses.items()}
    for work in works.values():
        work()
        work()
    times: dict[str, list[float]] = {label: [] for label in works}
    for _ in range(arguments.repeats):
        for label, work in works.items():
            times[label].append(1e3 * seconds(work, is_cuda))
    logits.grad = None
    medians = {label: statistics.median(values) for label, values in times.items()}
    peaks = {
        label: peak_bytes(lambda w=work: (w(), setattr(logits, "grad", None))[0], is_cuda)
        for label, work in works.items()
    }
    ratio = medians["dist2"] / medians["cross-entropy"]
    print(
        f"{name:<34} {'compiled' if compiled else 'eager':<9} {torch.get_num_threads():>7} "
        f"{medians['cross-entropy']:>9.2f} {medians['dist2']:>9.2f} {ratio:>6.2f} {target:>7.2f} "
        f"{peaks['cross-entropy'] / 2**20:>8.1f} {peaks['dist2'] / 2**20:>8.1f} "
        f"{peaks['dist2'] / peaks['cross-entropy']:>6.2f} {1.4:>7.2f}",
        flush=True,
    )
    return ratio


def main() -> None:
    """Measure, print a table and the ratio for bins."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="CPU threads, one after the other")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--no-codebook", action="store_true", help="leave the codebook out, which needs 8 GB of memory")
    arguments = parser.parse_args()
    compiler = any(shutil.which(name) for name in ("g++", "clang++")) and not arguments.no_compile
    modes = [False, True] if compiler else [False]
    cases: list[tuple[str, Dist2Loss, tuple[int, int], tuple[float, float]]] = [
        ("bins (8192, 256)", bins(256), (8192, 256), (1.1, 1.15)),
    ]
    if not arguments.no_codebook:
        few = f"{NEIGHBOURS} neighbours"
        cases.append((f"codes (2048, 16384), {few}", codebook(16384, NEIGHBOURS), (2048, 16384), (1.5, 1.15)))
        cases.append(("codes (2048, 16384), all", codebook(16384, None), (2048, 16384), (1.5, 1.15)))
    print(
        f"{'logits':<34} {'mode':<9} {'threads':>7} {'CE ms':>9} {'DIST2 ms':>9} {'ratio':>6} {'at most':>7} "
        f"{'CE MiB':>8} {'D2 MiB':>8} {'ratio':>6} {'at most':>7}"
    )
    ratios: list[float] = []
    for threads in arguments.threads:
        torch.set_num_threads(threads)
        for name, loss, shape, targets in cases:
            ratios += [measure(name, loss, shape, mode, targets[mode], arguments) for mode in modes]
    print(
        f"ratio: {ratios[0]:.2f} time of DIST2Loss over cross-entropy, forward and backward, {cases[0][0]}, eager, "
        f"{arguments.threads[0]} thread(s)"
    )


if __name__ == "__main__":
    main()
