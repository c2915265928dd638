"""A Metal kernel on an NVIDIA GPU: the calling convention of mx.fast.metal_kernel, over mx.fast.cuda_kernel."""

import hashlib
import math
from functools import partial

import mlx.core as mx

from ...arguments import LARGEST
from .. import signature
from . import unit

# What CUDA takes along y and z; more lie in one line along x.
_MAX_GROUPS = 65535


class Kernel:
    """Call it as one calls a kernel of mx.fast.metal_kernel's; it is as lazy."""

    def __init__(
        self,
        name,
        input_names,
        output_names,
        source,
        header="",
        resident=1,
        ensure_row_contiguous=True,
        atomic_outputs=False,
    ):
        self.name, self.source, self.header = name, source, header
        self.input_names, self.output_names = tuple(input_names), tuple(output_names)
        self.ensure_row_contiguous, self.atomic_outputs = ensure_row_contiguous, atomic_outputs
        self.sizes = [signature.sizes_read(source, name) for name in self.input_names]
        self.resident = resident
        self._built = {}

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
        given = [(x.shape, x.dtype) for x in inputs]
        run = self.bind(given, output_shapes, output_dtypes, grid, threadgroup, template)
        return run(inputs=inputs, init_value=init_value, verbose=verbose, stream=stream)

    def bind(self, given, output_shapes, output_dtypes, grid, threadgroup, template=None):
        """A call with all set but the arrays, whose (shape, dtype) are `given`: a function of `inputs` and of what a
        call may leave out, as cheap as MLX's own kernel."""
        threads = tuple(min(t, g) for t, g in zip(threadgroup, grid))
        cut = any(g % t for g, t in zip(grid, threads))
        groups = [-(-g // t) for g, t in zip(grid, threads)]
        line = max(groups[1:]) > _MAX_GROUPS
        run = partial(
            self._build(given, tuple(output_dtypes), tuple(template or ()), threads, cut, line),
            output_shapes=output_shapes,
            output_dtypes=output_dtypes,
            grid=self._line(groups, threads) if line else tuple(grid),
            threadgroup=threads,
        )
        return _with_size(run, mx.array(grid, mx.int32)) if cut or line else run

    def _build(self, given, output_dtypes, template, threads, cut, line):
        """MLX's kernel for these types; it compiles at its first evaluation."""
        arguments = tuple(signature.Argument.like(*each) for each in given)
        # The type beside a value, because True equals 1.
        key = (arguments, output_dtypes, tuple((n, type(v), v) for n, v in template), threads, cut, line)
        if key not in self._built:
            made = unit.write(self, arguments, output_dtypes, template, threads, cut, line)
            # MLX finds compiled kernels by name alone.
            digest = hashlib.sha256((made.header + made.source).encode()).hexdigest()[:16]
            self._built[key] = mx.fast.cuda_kernel(
                name=f"{self.name}_{digest}",
                input_names=made.input_names,
                output_names=made.output_names,
                source=made.source,
                header=made.header,
                ensure_row_contiguous=self.ensure_row_contiguous,
            )
        return self._built[key]

    def _line(self, groups, threads):
        """The grid of threads that has all groups along x."""
        length = math.prod(groups) * threads[0]
        if length > LARGEST:
            raise ValueError(
                f"[{self.name}] expected at most {LARGEST} threads in a line, all that MLX counts, but got {length} "
                f"for the groups {tuple(groups)}; put the longest axis of the grid first, or make several calls."
            )
        return length, *threads[1:]


def _with_size(run, size):
    """`run` with the grid's size as the last input, which kernels read where groups are cut or in a line."""
    return lambda *, inputs, **options: run(inputs=[*inputs, size], **options)
