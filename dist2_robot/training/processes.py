"""The processes that train one policy, as ``accelerate launch`` or ``torchrun`` started them; most often one."""

from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType

from dist2_robot.errors import InputError

_SHARING = (DistributedType.FSDP, DistributedType.DEEPSPEED, DistributedType.MEGATRON_LM)


def join_processes(cpu: bool) -> Accelerator:
    """Return accelerate's view of the processes, this one among them.

    Args:
        cpu: Whether to compute on the CPU, where processes talk through gloo.

    Raises:
        InputError: They were started to share the weights out as accelerate does it.
    """
    if AcceleratorState._shared_state and AcceleratorState().num_processes == 1:
        AcceleratorState._reset_state(reset_partial_state=True)  # of an earlier training in this process
    accelerator = Accelerator(cpu=cpu)
    if accelerator.distributed_type in _SHARING:
        kind = accelerator.distributed_type.value
        raise InputError(f"weights are not shared out by accelerate ({kind}): leave that to trainer.shard=true")
    return accelerator


def leave_processes(accelerator: Accelerator) -> None:
    """Wait for the others and hang up: a process that just ends may be aborted while its threads still talk."""
    if accelerator.num_processes > 1:
        accelerator.wait_for_everyone()
        accelerator.end_training()
