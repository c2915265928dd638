"""A Metal kernel on the CPU: the calling convention of mx.fast.metal_kernel, run at the call."""

import ctypes
import os
import re
from collections import OrderedDict
from functools import cached_property

import mlx.core as mx

from ...errors import ValidationError
from .. import signature
from . import guard, memory, program, unit
from .dispatch import Dispatch
from .library import check, library, lock, refuse_fork

# How many shapes of a kernel stay bound; others are bound anew, which compiles nothing.
_BOUND = 256
# A kernel that loads vectors through pointers needs its arrays aligned, which those of MLX are not.
_VECTOR_POINTER = re.compile(r"\b(?:u?(?:char|short|int|long)|half|float|bfloat)[234]\s*(?:const\s*)?\*|\bvec<")
_PAST = "out of bounds: a write up to {} bytes past the end of {}; LOADER_VALIDATE=1 names the element"
_WILD = "out of bounds: a {} far outside of every argument; LOADER_VALIDATE=1 names the argument"


def validating():
    """Whether LOADER_VALIDATE asks that every call be checked."""
    return os.environ.get("LOADER_VALIDATE", "0") not in ("", "0")


class Kernel:
    """Call it as one calls a kernel of mx.fast.metal_kernel's; it returns evaluated arrays.

    `quick` allows quick builds, for a kernel whose tests run them.
    """

    def __init__(
        self,
        name,
        input_names,
        output_names,
        source,
        header="",
        ensure_row_contiguous=True,
        atomic_outputs=False,
        validate=None,
        quick=False,
    ):
        self.name, self.source, self.header = name, source, header
        self.input_names, self.output_names = tuple(input_names), tuple(output_names)
        self.ensure_row_contiguous, self.atomic_outputs = ensure_row_contiguous, atomic_outputs
        self.sizes = [signature.sizes_read(source, name) for name in self.input_names]
        self.validate = validating() if validate is None else validate
        self.quick = quick
        self._bound = OrderedDict()

    @cached_property
    def aligned(self):
        return bool(_VECTOR_POINTER.search(self.header + self.source))

    def __call__(
        self,
        *,
        inputs,
        output_shapes,
        output_dtypes,
        grid,
        threadgroup,
        template=None,
        init_value=None,
        verbose=False,
        stream=None,
    ):
        refuse_fork()
        mx.eval(inputs)
        if self.ensure_row_contiguous:
            inputs = memory.contiguous(inputs)
        shapes, dtypes = tuple(map(tuple, output_shapes)), tuple(output_dtypes)
        call = dtypes, tuple(grid), tuple(threadgroup), tuple(template or ())
        if self.validate:
            # Imported late: only validation needs it, and NumPy.
            from . import validate

            return validate.run(self, inputs, shapes, *call, init_value)
        outputs = [memory.Output(shape, dtype, init_value) for shape, dtype in zip(shapes, dtypes)]
        bound = self._bind(inputs, *call)
        if verbose:
            print(bound.source)
        bound.run(inputs, outputs)
        over = [f"{_PAST.format(x.overrun(), n)}" for n, x in zip(self.output_names, outputs) if x.overrun()]
        if over:
            raise ValidationError(self.name, over)
        return [output.array() for output in outputs]

    def _bind(self, inputs, output_dtypes, grid, threadgroup, template):
        """What the call needs beside data; found again by the shapes and dtypes of the inputs."""
        layouts = tuple(memory.layout(x, self.ensure_row_contiguous) for x in inputs)
        # The type beside a value, because True equals 1.
        key = (layouts, output_dtypes, grid, threadgroup, tuple((n, type(v), v) for n, v in template))
        with lock:
            bound = self._bound.get(key)
            if bound is None:
                bound = self._bound[key] = Bound(self, inputs, layouts, output_dtypes, grid, threadgroup, template)
                if len(self._bound) > _BOUND:
                    self._bound.popitem(last=False)
            return bound

    def unit(self, arguments, output_dtypes, grid, threadgroup, template):
        """The OpenCL unit of a call with these `signature.Argument`s."""
        return unit.write(self, arguments, output_dtypes, template, Dispatch(grid, threadgroup).whole_threads)


class Bound:
    """A kernel with everything set but the pointers of its arrays."""

    def __init__(self, kernel, inputs, layouts, output_dtypes, grid, threadgroup, template):
        self._dispatch = Dispatch(grid, threadgroup)
        arguments = tuple(map(signature.Argument.of, inputs))
        self.source = kernel.unit(arguments, output_dtypes, grid, threadgroup, template)
        self._program, self._handle = program.get(self.source, kernel.name, kernel.quick), None
        self._name, self._aligned = kernel.name, kernel.aligned
        self._positions, self._sizes = [], []
        position = 0
        for i in range(len(inputs) + len(output_dtypes)):
            self._positions.append(position)
            position += 1
            for array in memory.size_arrays(layouts[i], kernel.sizes[i]) if i < len(inputs) else ():
                self._sizes.append((position, array))
                position += 1
        self._last = position
        self._make()

    def _make(self):
        """The cl_kernel of the newest build, with the sizes that it reads."""
        self._release()
        self._handle = self._program.kernel()
        # Making a kernel may put the runtime's handler of faults before ours.
        guard.net.install()
        self._version = self._program.version
        for position, array in self._sizes:
            self._set(position, ctypes.addressof(array))

    def run(self, inputs, outputs):
        """Launch on evaluated arrays and memory.Outputs, and wait."""
        if self._aligned:
            return self._run_aligned(inputs, outputs)
        places = [x.address if x.is_guarded else memory.address(x.prepare()) for x in outputs]
        return self._launch([*map(memory.address, inputs), *places])

    def _run_aligned(self, inputs, outputs):
        copies = [memory.Aligned(x) for x in inputs]
        written = [x if x.is_guarded else memory.Aligned(x.prepare()) for x in outputs]
        self._launch([copy.address for copy in (*copies, *written)])
        for output, copy in zip(outputs, written):
            if not output.is_guarded:
                copy.write_back()

    def _launch(self, pointers):
        with lock:
            if self._version != self._program.version:
                self._make()
            for position, pointer in zip(self._positions, pointers):
                self._set(position, pointer)
            guard.net.spread = True
            try:
                self._dispatch.enqueue(self._handle, self._last)
                check("clFinish", library().clFinish(library().queue))
            finally:
                guard.net.spread = False
            program.counts.launched += 1
            is_write = guard.net.caught()
        if is_write is not None:
            did = "write" if is_write else "read"
            raise ValidationError(self._name, [_WILD.format(did)])

    def _set(self, position, pointer):
        check("clSetKernelArgSVMPointer", library().clSetKernelArgSVMPointer(self._handle, position, pointer))

    def _release(self):
        if self._handle:
            library().clReleaseKernel(self._handle)
            self._handle = None

    def __del__(self):
        if getattr(self, "_handle", None):
            self._release()
