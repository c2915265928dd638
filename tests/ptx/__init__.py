"""NVIDIA's PTX without a GPU: a kernel of NVRTC's, run by NumPy, all threads of its grid at once.

It follows the instructions one by one, so it takes seconds where a GPU takes microseconds, and it sees what a GPU does
not tell: threads that wait for others which never come, and addresses outside of every array. What memory a kernel has
not written, and a register that it has not, holds NaN. It rounds as the PTX manual says, but for functions
like `ex2.approx`, which it takes from NumPy, and sums of tensor cores, which it rounds to nearest.
"""

from .machine import Deadlock, Machine
from .memory import Memory, Outside
from .program import programs

__all__ = ["Deadlock", "Outside", "launch", "programs"]


def launch(program, grid, block, arguments):
    """Run a kernel over `grid` blocks of `block` threads. For each parameter `arguments` has its bytes or an array of
    bytes, which it gets the address of and may change."""
    memory = Memory()
    arrays = [(x, memory.add(x)) for x in arguments if not isinstance(x, bytes)]
    addresses = iter([address.to_bytes(8, "little") for _, address in arrays])
    for (name, size), x in zip(program.parameters.items(), arguments):
        data = x if isinstance(x, bytes) else next(addresses)
        if len(data) != size:
            raise ValueError(f"{name}: expected {size} bytes, but got {len(data)}.")
        memory.names[name] = memory.add(data)
    for name, data in program.constants.items():
        memory.names[name] = memory.add(data)
    Machine(program, grid, block, memory).run()
    for x, address in arrays:
        x[:] = memory.bytes[address : address + len(x)]
