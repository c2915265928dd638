"""Validation: a kernel run in several orders, between guard pages, in a process of its own.

It finds accesses out of bounds, elements that no thread wrote, results that depend on the order of
simdgroups or threadgroups, and barriers that not all threads of a threadgroup reach.
"""

import ctypes
import re
import time
import warnings

import mlx.core as mx
import numpy as np

from ... import errors
from .. import signature
from . import followed, memory, program, registers, scalars, strict, trace, unit
from .child import Child, Ended, Late
from .dispatch import Dispatch
from .worker import Argument, Job

_FILLS = (0xA5, 0x5A)
_SHOWN = 3
# Seconds that a run may take, at least, after the first has ended.
_PATIENCE = 30
_NO_BARRIER = (
    "depends on the order in which the simdgroups of a threadgroup run: a barrier is missing, or several threads write "
    "the element; accesses by subscript, x[i], are told apart and named with their line, those by *p are not"
)
_DIFFERENCES = {
    unit.ORDERS[1]: _NO_BARRIER,
    unit.ORDERS[2]: _NO_BARRIER,
    unit.ORDERS[3]: "depends on the order in which threadgroups run: Metal has none",
    "refilled": "depends on what the output held before: write it first, or pass init_value",
}
# Sums by atomics may come in any order, and round differently.
_ATOMIC_TOLERANCE = 1e-4


def run(kernel, inputs, output_shapes, output_dtypes, grid, threadgroup, template, init_value):
    """The outputs of a call that is clean. Raises ValidationError with everything found in one that is not."""
    call = _Call(kernel, inputs, output_shapes, output_dtypes, grid, threadgroup, template, init_value)
    # The kernels of ops are linted where they are written.
    refused = [] if kernel.quick else strict.findings(kernel, call.types, output_dtypes, template)
    refused += call.fat()
    if refused:
        raise errors.ValidationError(kernel.name, refused)
    runs = {
        "given": call.run(unit.ORDERS[0], _FILLS[0], at_end=True),
        "refilled": call.run(unit.ORDERS[0], _FILLS[1], at_end=False),
        **{order: call.run(order, _FILLS[0], at_end=True) for order in unit.ORDERS[1:]},
    }
    findings = [r for r in runs.values() if isinstance(r, str)]
    if findings:
        # The log keeps to an array's bounds, and so survives what ended a run.
        findings = list(dict.fromkeys([*call.trace(), *findings]))
    else:
        *outputs, arrivals = runs["given"]
        findings = _barriers(call.dispatch, np.frombuffer(arrivals, np.uint32).reshape(-1, 2))
        findings = findings or call.trace_and_compare({key: value[:-1] for key, value in runs.items()})
    if findings:
        raise errors.ValidationError(kernel.name, findings)
    return [_array(*each) for each in zip(outputs, output_shapes, output_dtypes)]


class _Call:
    """One call of a kernel, ready to be run in any order."""

    def __init__(self, kernel, inputs, shapes, dtypes, grid, threadgroup, template, init_value):
        self.kernel, self.shapes, self.dtypes = kernel, shapes, dtypes
        self.grid, self.threadgroup, self.template = grid, threadgroup, template
        self.dispatch = Dispatch(grid, threadgroup)
        self.types = tuple(map(signature.Argument.of, inputs))
        self._inputs = []
        for name, x, wanted in zip(kernel.input_names, inputs, kernel.sizes):
            layout = memory.layout(x, kernel.ensure_row_contiguous)
            self._inputs.append((name, x.dtype, x.shape, _argument(x)))
            for size, array in zip(wanted, memory.size_arrays(layout, wanted)):
                dtype = mx.int64 if size == "strides" else mx.int32
                self._inputs.append((f"{name}_{size}", dtype, (max(x.ndim, 1),), Argument(bytes(array))))
        self._filled, self._patience = init_value is None, None
        # By the manifest's convention the gradient of an input that is absent is never written.
        self._idle = {f"grad_{flag[4:].lower()}" for flag, value in template if flag[:4] == "HAS_" and value is False}
        self._starts = [
            b"" if self._filled else _argument(memory.output(s, d, init_value)).data for s, d in zip(shapes, dtypes)
        ]

    def run(self, order, fill, at_end):
        """The bytes of every output, then of the counted barriers; or what went wrong, as a sentence."""
        kernel = self.kernel
        sizes = [int(np.prod(shape)) * dtype.size for shape, dtype in zip(self.shapes, self.dtypes)]
        starts = [bytes([fill]) * size for size in sizes] if self._filled else self._starts
        source = unit.write(
            kernel, self.types, self.dtypes, self.template, self.dispatch.whole_threads, validating=True
        )
        answer = self._ask(source, [*starts, bytes(8 * int(np.prod(self.grid)))], order, at_end)
        return answer if isinstance(answer, str) else answer[0]

    def fat(self):
        """A sentence where a threadgroup is larger than a pipeline of this kernel can be."""
        return registers.findings(self.kernel.source, self.template, int(np.prod(self.threadgroup)))

    def trace(self):
        """Sentences about what the threads of one run do to each other's elements, from the log of its accesses."""
        source, names = scalars.as_arrays(self.kernel.source)
        found = self._traced(source) if names else None
        if found is None:
            found = self._traced(self.kernel.source)
        if found is None:
            warnings.warn(f"[{self.kernel.name}] expected a body whose subscripts can be logged: not checked: lost "
                          "updates and overruns of threadgroup memory.", stacklevel=2)  # fmt: skip
        return [re.sub(rf"\b({'|'.join(names)})\[0\]", r"\1", each) if names else each for each in found or []]

    def _traced(self, source):
        """What the log of a run tells of the kernel with this body, or None where none can be kept."""
        body, sites = trace.instrument(source)
        # What kernels of ops include is long, and tested with each of them.
        above = "" if self.kernel.quick else self.kernel.header
        header, more = trace.instrument(above, len(sites), " of the header")
        if not sites and not more:
            return []
        known = followed.arrays(self.kernel.header, source, sites)
        found = self._logged((header, body), [*sites, *more], known) if more else None
        # A subscript that a class of the author's defines may take no logged index.
        return self._logged((self.kernel.header, body), sites, known) if found is None and sites else found

    def trace_and_compare(self, runs):
        """What `trace` finds, and what differs between runs; what lies out of bounds may differ, and stands alone."""
        found = self.trace()
        return found if any(each.startswith("out of bounds") for each in found) else [*found, *self.compare(runs)]

    def _logged(self, traced, sites, known):
        """What `trace` finds with this header and body; None where they do not compile. They log every access to the
        arrays `known`."""
        sizes = [int(np.prod(shape)) * dtype.size for shape, dtype in zip(self.shapes, self.dtypes)]
        starts = [bytes([_FILLS[0]]) * size for size in sizes] if self._filled else self._starts
        starts = [*starts, bytes(8 * int(np.prod(self.grid))), bytes(trace.BYTES)]
        threads = self.dispatch.whole_threads
        source = unit.write(self.kernel, self.types, self.dtypes, self.template, threads, True, traced=traced)
        try:
            answer = self._ask(source, starts, unit.ORDERS[0], at_end=True)
        except errors.CompileError:
            return None
        if isinstance(answer, str):
            return [answer]
        (*_, log), addresses = answer
        items = [dtype.size for dtype in self.dtypes]
        outputs = tuple(zip(self.kernel.output_names, addresses, sizes, items))
        launch = trace.Launch(outputs, int(np.prod(self.threadgroup)), trace.reduces(self.kernel.source), known)
        return trace.findings(log, sites, launch)

    def _ask(self, source, starts, order, at_end):
        """(the bytes, the addresses) of the outputs and what follows them; or what went wrong, as a sentence."""
        kernel = self.kernel
        arguments = [argument for *_, argument in self._inputs] + [Argument(data, wanted=True) for data in starts]
        job = Job(
            kernel.name,
            program.binary(source, kernel.name, kernel.quick),
            tuple(arguments),
            self.grid,
            self.threadgroup,
            at_end,
            kernel.aligned,
            unit.ORDERS.index(order),
        )
        start = time.monotonic()
        try:
            kind, *answer = _worker.ask(job, self._patience)
        except Late:
            return (
                f"with {order} the kernel did not end in {self._patience:.0f} s: a thread waits for what another "
                "simdgroup or threadgroup does, which may never run beside it"
            )
        except Ended as how:
            raise errors.BackendError(f"[{kernel.name}] ended the validating process ({how}).") from None
        # What ends in one order ends in every other, in about as long.
        self._patience = self._patience or max(_PATIENCE, 20 * (time.monotonic() - start))
        if kind == "done":
            return answer[0]
        _worker.stop()
        return self._fault(*answer)

    def _fault(self, argument, offset, is_write):
        outputs = [(n, d, s) for n, d, s in zip(self.kernel.output_names, self.dtypes, self.shapes)]
        places = [(n, d, s) for n, d, s, _ in self._inputs] + outputs
        did = "write" if is_write else "read"
        if argument is None or argument >= len(places):
            return f"out of bounds: a {did} far outside of every argument"
        name, dtype, shape = places[argument]
        count = int(np.prod(shape, dtype=np.int64))
        return (
            f"out of bounds: a {did} of {name}[{offset // dtype.size}], but {name} has {count} elements {tuple(shape)}"
        )

    def compare(self, runs):
        """What differs between runs that must not; of what may follow from one another, the first."""
        findings = []
        for i, (name, dtype) in enumerate(zip(self.kernel.output_names, self.dtypes)):
            values = {key: np.frombuffer(run[i], np.uint8).reshape(-1, dtype.size) for key, run in runs.items()}
            unwritten = self._unwritten(values)
            findings += _found(name, unwritten, "was never written") if name not in self._idle else []
            for key, what in _DIFFERENCES.items():
                found = _found(name, self._differ(values["given"], values[key], dtype) & ~unwritten, what)
                if found:
                    findings += found
                    break
        return findings

    def _unwritten(self, values):
        if not self._filled:
            return np.zeros(len(values["given"]), bool)
        return (values["given"] == _FILLS[0]).all(axis=1) & (values["refilled"] == _FILLS[1]).all(axis=1)

    def _differ(self, one, two, dtype):
        differ = (one != two).any(axis=1)
        if not self.kernel.atomic_outputs or dtype != mx.float32:
            return differ
        x, y = (np.ascontiguousarray(v).view(np.float32).reshape(-1) for v in (one, two))
        return differ & ~np.isclose(x, y, rtol=_ATOMIC_TOLERANCE, atol=_ATOMIC_TOLERANCE, equal_nan=True)


def _found(name, where, what):
    """A sentence about the elements of an output where something holds, if there are any."""
    indices = np.flatnonzero(where)
    if not len(indices):
        return []
    shown = ", ".join(f"{name}[{i}]" for i in indices[:_SHOWN])
    return [f"{shown}{', ...' if len(indices) > _SHOWN else ''} ({len(indices)} of {len(where)}) {what}"]


def _barriers(dispatch, arrivals):
    """Threadgroups whose threads did not all reach the same barriers, from (count, line) of every thread."""
    before = 0
    for first, groups, threads in dispatch.boxes:
        n = int(np.prod(threads))
        box = arrivals[before : before + n * int(np.prod(groups))]
        before += len(box)
        gx, gy, gz = groups
        if dispatch.whole_threads:
            box = box.reshape(gz, gy, n // 32, gx, 32, 2).transpose(0, 1, 3, 2, 4, 5)
        box = box.reshape(gz, gy, gx, n, 2)
        uneven = (box != box[..., :1, :]).any(axis=(3, 4))
        for z, y, x in np.argwhere(uneven)[:1]:
            return [_barrier(box[z, y, x], (x + first[0], y + first[1], z + first[2]), int(uneven.sum()))]
    return []


def _barrier(threads, group, count):
    most, least = threads[:, 0].argmax(), threads[:, 0].argmin()
    where = f"threadgroup {tuple(map(int, group))} ({count} such)"
    if threads[most, 0] == threads[least, 0]:
        lines = sorted(set(map(int, threads[:, 1])))
        return f"in {where} threads wait at different barriers, in lines {lines[0]} and {lines[1]}"
    return (
        f"in {where} not all threads reach the barrier in line {threads[most, 1]}: thread {most} reached "
        f"{threads[most, 0]} barriers, thread {least} {threads[least, 0]}; a return or a condition that varies "
        "among threads stands before it"
    )


def _argument(x):
    """The bytes that an array's strides reach; with negative ones its first element is not the lowest."""
    mx.eval(x)
    if not x.size:
        return Argument(b"")
    reach = [(n - 1) * s for n, s in zip(x.shape, memoryview(x).strides or ())]
    low, high = sum(r for r in reach if r < 0), sum(r for r in reach if r > 0) + x.itemsize
    return Argument(ctypes.string_at(memory.address(x) + low, high - low), offset=-low)


def _array(data, shape, dtype):
    x = memory.output(tuple(shape), dtype, None)
    mx.eval(x)
    if data:
        ctypes.memmove(memory.address(x), data, len(data))
    return x


_worker = Child("worker")
