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
class Job:
    """One run of a unit: each argument as (bytes it starts with, whether to send them back)."""

    name: str
    source: str
    arguments: tuple
    grid: tuple
    threadgroup: tuple
    at_end: bool
    aligned: bool


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
    memory = [guard.Guarded(len(data), job.at_end, unit) for data, _ in job.arguments]
    for argument, (data, _) in zip(memory, job.arguments):
        argument.fill(data)
    _report_faults(memory, answers)
    for position, argument in enumerate(memory):
        status = library().clSetKernelArgSVMPointer(handle, position, argument.address if argument.size else None)
        check("clSetKernelArgSVMPointer", status)
    Dispatch(job.grid, job.threadgroup).enqueue(handle, len(memory))
    check("clFinish", library().clFinish(library().queue))
    outputs = [m.bytes() for m, (_, wanted) in zip(memory, job.arguments) if wanted]
    for argument in memory:
        argument.free()
    library().clReleaseKernel(handle)
    return ("done", outputs)


def _report_faults(memory, answers):
    def report(address, is_write):
        offsets = [argument.offset(address) for argument in memory]
        found = next((i for i, offset in enumerate(offsets) if offset is not None), None)
        _send(answers, ("fault", found, None if found is None else offsets[found], is_write))

    guard.on_fault(report)


if __name__ == "__main__":
    main()
