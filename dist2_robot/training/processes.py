"""The processes that train one policy, as ``accelerate launch`` or ``torchrun`` started them; most often one."""

from accelerate import Accelerator
from accelerate.state import AcceleratorState


def join_processes(cpu: bool) -> Accelerator:
    """Return accelerate's view of the processes, this one among them.

    Args:
        cpu: Whether to compute on the CPU, where processes talk through gloo.
    """
    if AcceleratorState._shared_state and AcceleratorState().num_processes == 1:
        AcceleratorState._reset_state(reset_partial_state=True)  # of an earlier training in this process
    return Accelerator(cpu=cpu)
