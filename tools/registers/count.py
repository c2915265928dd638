"""Counting: cases become CUDA units whose matrices are as on the Metal path, and NVRTC says what they need."""

import hashlib
import math
import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace

from loader.portable import INCLUDE, dialect, signature
from loader.portable.cuda import unit
from loader.source import inline
from tools import nvrtc

# Of an Apple GPU: a thread's registers; how many it gets on M1 and M2 in groups of more than so many threads; and a
# group's memory.
REGISTERS = 128
LARGE_GROUP, LARGE_GROUP_REGISTERS = 256, 96
THREADGROUP_BYTES = 32 * 1024
# Kernels in one text: more would wait for one another, fewer would read CUDA's headers more often.
_TOGETHER = 8
_MATRICES = Path(__file__).parent / "include" / "simdgroup_matrix.h"
_BOUNDS = re.compile(r"__launch_bounds__\([^)]*\)")
_ENTRY = re.compile(
    r"Compiling entry function '\w*?counted_(?P<key>[0-9a-f]{16})\w*' for.*?(?P<stack>\d+) bytes stack frame, "
    r"(?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads.*?Used (?P<registers>\d+) registers"
    r"(?:, used \d+ barriers)?(?:, (?P<frame>\d+) bytes cumulative stack size)?(?:, (?P<shared>\d+) bytes smem)?",
    re.DOTALL,
)
_BARRIER = re.compile(r"^\s*(?:bar|barrier)(?:\.cta)?\.sync", re.MULTILINE)


@dataclass
class Row:
    """What one case needs: registers where they are not limited; the bytes of stack then, which private arrays take
    that have no register, and of stack and spills where a thread gets `limit`; the memory and barriers of a group."""

    op: str
    kernel: str
    dtype: str
    head: int | None
    template: dict
    threads: int
    registers: int
    stack: int
    held_stack: int
    held_spill: int
    threadgroup_bytes: int
    barriers: int

    @property
    def limit(self):
        """The registers of a thread in a group of this size, on the GPU that has the fewest."""
        return _limit(self.threads)

    @property
    def problems(self):
        """What of it passes an Apple GPU's limits, as sentences; empty where nothing does."""
        found = []
        if self.held_stack > self.stack:
            found.append(f"{self.held_stack} bytes of stack with {self.limit} registers, of {self.registers} wanted")
        if self.stack:
            found.append(f"{self.stack} bytes of private arrays have no register")
        if self.threadgroup_bytes > THREADGROUP_BYTES:
            found.append(f"{self.threadgroup_bytes} bytes of threadgroup memory, more than {THREADGROUP_BYTES}")
        return found


def count(cases, progress=lambda counted, total: counted):
    """A Row for each case, in order. `progress` wraps the batches that are counted, of which there are `total`.

    Raises nvrtc.Refused where a kernel does not compile.
    """
    names, units = [], {}
    for case in cases:
        text, limit = _text(case.launch), _limit(_threads(case))
        names.append(hashlib.sha256(f"{limit} {text}".encode()).hexdigest()[:16])
        units.setdefault(limit, {})[names[-1]] = text.replace("counted_kernel", f"counted_{names[-1]}")
    found, batches = {}, [batch for limit, texts in units.items() for batch in _batches(limit, texts)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for counted in progress(pool.map(_batch, batches), len(batches)):
            found |= counted
    return [_row(case, found[name]) for case, name in zip(cases, names)]


def _limit(threads):
    return LARGE_GROUP_REGISTERS if threads > LARGE_GROUP else REGISTERS


def _row(case, counted):
    template = {name: str(value) for name, value in case.launch.arguments["template"]}
    return Row(case.op, case.file, case.dtype, case.head, template, _threads(case), **counted)


def _threads(case):
    return math.prod(case.launch.arguments["threadgroup"])


def _text(launch):
    """The CUDA unit of a launch, its header and a kernel called counted_kernel around the call."""
    arguments = launch.arguments
    threads, dtypes = arguments["threadgroup"], arguments["output_dtypes"]
    given = [signature.Argument.like(*each) for each in launch.given]
    made = unit.write(launch.kernel, given, dtypes, arguments["template"], threads, cut=False, line=False)
    inputs = [SimpleNamespace(ndim=len(shape), dtype=dtype) for shape, dtype in launch.given]
    return made.header + nvrtc.kernel(
        "counted_kernel", made.input_names, inputs, made.output_names, dtypes, made.source
    )


def _batches(limit, units):
    keys = list(units)
    return [(limit, {key: units[key] for key in keys[i : i + _TOGETHER]}) for i in range(0, len(keys), _TOGETHER)]


def _batch(batch):
    """What each unit needs, by its key; those that pass the limit are compiled again with no more registers."""
    limit, units = batch
    text = _BOUNDS.sub("", nvrtc.join(units, _headers()))
    ptx, log = nvrtc.compile(text, options=["--ptxas-options=-v"])
    free, barriers = _read(log), _barriers(ptx)
    held = {key: needs for key, needs in free.items() if needs["registers"] > limit}
    if held:
        text = _BOUNDS.sub("", nvrtc.join({key: units[key] for key in held}, _headers()))
        held = _read(nvrtc.compile(text, options=["--ptxas-options=-v", f"--maxrregcount={limit}"])[1])
    return {key: _needs(free[key], held.get(key, free[key])) | {"barriers": barriers[key]} for key in units}


def _needs(free, held):
    return {
        "registers": free["registers"],
        "stack": free["stack"],
        "held_stack": held["stack"],
        "held_spill": held["stores"] + held["loads"],
        "threadgroup_bytes": free["shared"],
    }


def _read(log):
    """What ptxas says of each kernel, numbers by name."""
    return {m["key"]: {k: int(v or 0) for k, v in m.groupdict().items() if k != "key"} for m in _ENTRY.finditer(log)}


def _barriers(ptx):
    """How often each kernel's text has a barrier of the group."""
    kernels = re.split(r"\.entry \w*?counted_([0-9a-f]{16})\w*\(", ptx)
    return {key: len(_BARRIER.findall(text)) for key, text in zip(kernels[1::2], kernels[2::2])}


@cache
def _headers():
    """Metal's library as the cuda engine has it, but for its matrices."""
    library = dialect("cuda") / "metal_stdlib.h"
    matrices = _MATRICES.read_text().replace("#pragma once", "")
    return inline(library.read_text().replace('#include "simdgroup_blocks.h"', matrices), library, INCLUDE)
