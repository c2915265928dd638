"""The process that validation runs kernels in, so that a bad access ends it and not the caller's.

It reads pickled jobs from its standard input and answers each with ("done", outputs),
("fault", argument, offset, is_write) or ("error", kind, message).
"""

import os
import pickle
import sys
from dataclasses import dataclass

from ...errors import LoaderError
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
    """One run of a unit, in the order of this number; `at_end` puts memory flush with the guard behind it, else
    with the one before."""

    name: str
    source: str
    arguments: tuple
    grid: tuple
    threadgroup: tuple
    at_end: bool
    aligned: bool
    order: int


def main():
    # On one core the runtime runs threadgroups one after the other, so that an order is an order.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    # What the runtime may print must not get among the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    jobs = sys.stdin.buffer
    while True:
        try:
            job = pickle.load(jobs)
        except EOFError:
            return
        try:
            answer = _run(job, answers)
        except LoaderError as error:
            answer = ("error", type(error).__name__, str(error))
        _send(answers, answer)


def _send(answers, answer):
    pickle.dump(answer, answers)
    answers.flush()


def _run(job, answers):
    handle = program.kernel(job.source, job.name)
    unit = 64 if job.aligned else 1
    memory = [guard.Guarded(len(argument.data), job.at_end, unit) for argument in job.arguments]
    for area, argument in zip(memory, job.arguments):
        area.fill(argument.data)
    _report_faults(job, memory, answers)
    for position, (area, argument) in enumerate(zip(memory, job.arguments)):
        pointer = area.address + argument.offset if area.size else None
        check("clSetKernelArgSVMPointer", library().clSetKernelArgSVMPointer(handle, position, pointer))
    Dispatch(job.grid, job.threadgroup).enqueue(handle, len(memory), job.order)
    check("clFinish", library().clFinish(library().queue))
    outputs = [area.bytes() for area, argument in zip(memory, job.arguments) if argument.wanted]
    for area in memory:
        area.free()
    library().clReleaseKernel(handle)
    return ("done", outputs)


def _report_faults(job, memory, answers):
    """At a bad access, answer which argument it missed and how far from where its pointer points."""

    def report(address, is_write):
        offsets = [area.offset(address) for area in memory]
        found = next((i for i, offset in enumerate(offsets) if offset is not None), None)
        distance = None if found is None else offsets[found] - job.arguments[found].offset
        _send(answers, ("fault", found, distance, is_write))

    guard.on_fault(report)


if __name__ == "__main__":
    main()
