"""loader.metal_kernel: mx.fast.metal_kernel on every backend, with the checks MLX leaves out."""

import math

import mlx.core as mx

from .backends import cuda, opencl
from .errors import BackendError

_MAX_THREADS = 1024


class MetalKernel:
    """A kernel made by `loader.metal_kernel`. Call it with keywords, as one of mx.fast.metal_kernel's:

    inputs (arrays or scalars), output_shapes, output_dtypes, grid and threadgroup (threads, three sizes
    each), and optionally template (pairs of a name and a dtype, int or bool), init_value, verbose, stream.
    Returns the outputs as a list. Raises ValueError or TypeError for arguments that do not fit, before
    anything runs, and CompileError naming the line of the source.
    """

    def __init__(self, name, run, input_names, output_names, lazy):
        self.name, self._run, self._lazy = name, run, lazy
        self.input_names, self.output_names = tuple(input_names), tuple(output_names)

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
        self._check_arrays(inputs, output_shapes, output_dtypes)
        self._check_dispatch(grid, threadgroup)
        self._check_template(template or ())
        arguments = dict(
            output_shapes=output_shapes,
            output_dtypes=output_dtypes,
            grid=tuple(grid),
            threadgroup=tuple(threadgroup),
            template=list(template or ()),
            init_value=init_value,
            verbose=verbose,
        )
        inputs = [x if isinstance(x, mx.array) else mx.array(x) for x in inputs]
        if self._lazy:
            return self._run(inputs=inputs, stream=stream, **arguments)
        return self._run_now(inputs, arguments)

    def _run_now(self, inputs, arguments):
        """An engine that runs at the call: gradients must fail as MLX's do, not come out as zeros."""

        @mx.custom_function
        def run(*arrays):
            return tuple(self._run(inputs=list(arrays), **arguments))

        for transform in ("vjp", "jvp"):
            getattr(run, transform)(self._refusal(transform))
        try:
            return list(run(*inputs))
        except ValueError as error:
            if "function transformations" not in str(error):
                raise
            raise ValueError(
                f"[{self.name}] runs at the call on the opencl backend, so it cannot be part of mx.compile, mx.vmap "
                "or mx.export_function; call it outside of them, or under them use the same maths in MLX operations."
            ) from None

    def _refusal(self, transform):
        def refuse(*_):
            raise ValueError(
                f"[Primitive::{transform}] Not implemented for CustomKernel ({self.name}); wrap the kernel with "
                "mx.custom_function and give that the derivative."
            )

        return refuse

    def _check_arrays(self, inputs, shapes, dtypes):
        for what, given, names in (
            ("inputs", inputs, self.input_names),
            ("output_shapes", shapes, self.output_names),
            ("output_dtypes", dtypes, self.output_names),
        ):
            if isinstance(given, mx.array) or len(given) != len(names):
                count = "one array" if isinstance(given, mx.array) else len(given)
                raise ValueError(f"[{self.name}] expected {len(names)} {what} ({', '.join(names)}) but got {count}.")
        for name, x in zip(self.input_names, inputs):
            if not isinstance(x, (mx.array, bool, int, float, complex)):
                raise TypeError(f"[{self.name}] expected {name} to be an array or a number but got {type(x).__name__}.")
        for name, shape in zip(self.output_names, shapes):
            if any(not isinstance(n, int) or n < 0 for n in shape):
                raise ValueError(
                    f"[{self.name}] expected sizes of {name} that are not negative but got {tuple(shape)}."
                )
        for name, dtype in zip(self.output_names, dtypes):
            if not isinstance(dtype, mx.Dtype):
                raise TypeError(f"[{self.name}] expected the dtype of {name} to be one of mx's but got {dtype!r}.")

    def _check_dispatch(self, grid, threadgroup):
        for what, sizes in (("grid", grid), ("threadgroup", threadgroup)):
            if len(sizes) != 3 or any(not isinstance(n, int) or n < 1 for n in sizes):
                raise ValueError(f"[{self.name}] expected {what} to be three positive sizes but got {tuple(sizes)}.")
        if math.prod(threadgroup) > _MAX_THREADS:
            raise ValueError(
                f"[{self.name}] expected at most {_MAX_THREADS} threads in a threadgroup but got "
                f"{math.prod(threadgroup)} {tuple(threadgroup)}."
            )

    def _check_template(self, template):
        names = [name for name, _ in template]
        _check_names(self.name, "template", names)
        for name, value in template:
            if not isinstance(value, (bool, int, mx.Dtype)):
                raise TypeError(
                    f"[{self.name}] expected the template argument {name} to be a dtype, int or bool but got "
                    f"{value!r}; pass a float as an input."
                )

    def __repr__(self):
        return f"<loader.metal_kernel {self.name}({', '.join(self.input_names)}) -> {', '.join(self.output_names)}>"


def make(
    engine,
    name,
    input_names,
    output_names,
    source,
    header="",
    ensure_row_contiguous=True,
    atomic_outputs=False,
    compile_options=None,
    validate=None,
):
    """The kernel, on an engine; see `loader.metal_kernel`."""
    _check_names("metal_kernel", "name", [name])
    _check_names(name, "input_names", input_names)
    _check_names(name, "output_names", output_names)
    _check_names(name, "input_names and output_names", [*input_names, *output_names])
    if not output_names:
        raise ValueError(f"[{name}] expected at least one output.")
    options = dict(header=header, ensure_row_contiguous=ensure_row_contiguous, atomic_outputs=atomic_outputs)
    if engine is opencl:
        run = opencl.Kernel(name, input_names, output_names, source, **options, validate=validate)
    elif validate:
        raise BackendError(f"[{name}] validation needs the opencl backend but this is {engine.NAME}.")
    elif engine.NAME == "reference":
        raise BackendError(f"[{name}] no engine can run Metal kernels here: {opencl.missing()}")
    elif engine is cuda:
        run = cuda.build(name, input_names, output_names, source, **options)
    else:
        extra = {"compile_options": compile_options} if compile_options else {}
        run = mx.fast.metal_kernel(name, input_names, output_names, source, **options, **extra)
    return MetalKernel(name, run, input_names, output_names, engine.LAZY)


def _check_names(kernel, what, names):
    for name in names:
        if not isinstance(name, str) or not name.isidentifier() or not name.isascii():
            raise ValueError(f"[{kernel}] expected {what} to hold identifiers but got {name!r}.")
    for name in names:
        if list(names).count(name) > 1:
            raise ValueError(f"[{kernel}] expected {what} to be distinct but {name!r} is there twice.")
