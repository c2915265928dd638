"""The process that validation runs kernels in, so that a bad access ends it and not the caller's.

To a bad access it answers ("fault", argument, offset, is_write).
"""

from dataclasses import dataclass
from functools import lru_cache

from . import guard, program
from .dispatch import Dispatch
from .library import check, library


@dataclass(frozen=True)
class Argument:
    """What an argument's memory starts with, where in it the pointer points, and whether to send it back."""

    data: bytes
    offset: int = 0
    wanted: bool = False


@dataclass(frozen=True)
class Job:
    """One run of a binary, in the order of this number; `at_end` puts memory flush with the guard behind it, else
    with the one before."""

    name: str
    binary: bytes
    arguments: tuple
    grid: tuple
    threadgroup: tuple
    at_end: bool
    aligned: bool
    order: int


# There the runtime runs threadgroups one after the other, so that an order is an order.
ONE_CORE = True
_program = lru_cache(maxsize=64)(program.load)


def answer(job, send):
    """(the bytes, the addresses) of every argument that the job wants back."""
    handle = program.create(_program(job.binary), job.name)
    unit = 64 if job.aligned else 1
    memory = [guard.Guarded(len(argument.data), job.at_end, unit) for argument in job.arguments]
    for area, argument in zip(memory, job.arguments):
        area.fill(argument.data)
    _report_faults(job, memory, send)
    for position, (area, argument) in enumerate(zip(memory, job.arguments)):
        pointer = area.address + argument.offset if area.size else None
        check("clSetKernelArgSVMPointer", library().clSetKernelArgSVMPointer(handle, position, pointer))
    Dispatch(job.grid, job.threadgroup).enqueue(handle, len(memory), job.order)
    check("clFinish", library().clFinish(library().queue))
    wanted = [area for area, argument in zip(memory, job.arguments) if argument.wanted]
    outputs = [[area.bytes() for area in wanted], [area.address for area in wanted]]
    for area in memory:
        area.free()
    library().clReleaseKernel(handle)
    return outputs


def _report_faults(job, memory, send):
    """At a bad access, answer which argument it missed and how far from where its pointer points."""

    def report(address, is_write):
        offsets = [area.offset(address) for area in memory]
        found = next((i for i, offset in enumerate(offsets) if offset is not None), None)
        distance = None if found is None else offsets[found] - job.arguments[found].offset
        send(("fault", found, distance, is_write))

    guard.on_fault(report)
