"""loader.metal_kernel: mx.fast.metal_kernel on every backend, with the checks MLX leaves out."""

import math
import numbers
import re
from collections.abc import Sequence

import mlx.core as mx

from ..arguments import LARGEST, Stream, check_stream, integer, shown
from ..errors import BackendError
from ..spec import MOST_THREADS
from . import engines
from .signature import TYPES
from .text import NOT_ASCII, foreign


class MetalKernel:
    """A kernel made by `loader.metal_kernel`. Call it with keywords, as one of mx.fast.metal_kernel's:

    inputs (arrays or scalars), output_shapes, output_dtypes, grid and threadgroup (threads, three sizes
    each), and optionally template (pairs of a name and a dtype, int or bool), init_value, verbose, stream.
    Returns the outputs as a list. Raises ValueError or TypeError for arguments that do not fit, before
    anything runs, and CompileError naming the line of the source. A copy of it is itself, and `pickle` writes what it
    was made of, `made_of`.
    """

    def __init__(self, run, lazy, made_of):
        self._run, self._lazy, self.made_of = run, lazy, made_of
        self.name, self.input_names, self.output_names = made_of[0], tuple(made_of[1]), tuple(made_of[2])

    def __call__(
        self,
        *,
        inputs: Sequence[mx.array | bool | int | float | complex],
        output_shapes: Sequence[Sequence[int]],
        output_dtypes: Sequence[mx.Dtype],
        grid: Sequence[int],
        threadgroup: Sequence[int],
        template: Sequence[tuple[str, mx.Dtype | int | bool]] | None = None,
        init_value: float | None = None,
        verbose: bool = False,
        stream: Stream | None = None,
    ) -> list[mx.array]:
        check_stream(self.name, stream)
        self._check_counts(inputs, output_shapes, output_dtypes)
        arguments = dict(
            output_shapes=[self._shape(*pair) for pair in zip(self.output_names, output_shapes)],
            output_dtypes=[self._dtype(f"the dtype of {n}", d) for n, d in zip(self.output_names, output_dtypes)],
            grid=self._sizes("grid", grid),
            threadgroup=self._sizes("threadgroup", threadgroup),
            template=self._template([] if template is None else template),
            init_value=self._init_value(init_value),
            verbose=verbose,
        )
        self._check_threads(arguments["threadgroup"])
        inputs = [self._input(*pair) for pair in zip(self.input_names, inputs)]
        if self._lazy:
            return self._run(inputs=inputs, stream=stream, **arguments)
        return self._run_now(inputs, arguments)

    def _run_now(self, inputs, arguments):
        """Run on an engine that computes at the call. Its gradient must raise, as MLX's does, and not be zeros."""

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

    def _check_counts(self, inputs, shapes, dtypes):
        for what, given, names in (
            ("inputs", inputs, self.input_names),
            ("output_shapes", shapes, self.output_names),
            ("output_dtypes", dtypes, self.output_names),
        ):
            count = len(given) if isinstance(given, (list, tuple)) else _kind(given)
            if count != len(names):
                raise ValueError(f"[{self.name}] expected {len(names)} {what} ({', '.join(names)}) but got {count}.")

    def _input(self, name, x):
        if not isinstance(x, (mx.array, bool, int, float, complex)):
            raise TypeError(f"[{self.name}] expected {name} to be an array or a number but got {type(x).__name__}.")
        try:
            x = x if isinstance(x, mx.array) else mx.array(x)
        except (ValueError, RuntimeError, OverflowError):
            raise ValueError(f"[{self.name}] expected {name} to be a number that an array can hold.") from None
        self._dtype(f"the dtype of {name}", x.dtype)
        return x

    def _dtype(self, what, dtype):
        if not isinstance(dtype, mx.Dtype):
            raise TypeError(f"[{self.name}] expected {what} to be one of mx's but got {dtype!r}.")
        if dtype not in TYPES:
            raise TypeError(f"[{self.name}] expected {what} to be one that kernels know but got {dtype}; cast it.")
        return dtype

    def _shape(self, name, shape):
        if not isinstance(shape, (list, tuple)):
            raise TypeError(f"[{self.name}] expected the shape of {name} to be a tuple of sizes but got {shape!r}.")
        sizes = tuple(map(integer, shape))
        if not all(size is not None and 0 <= size <= LARGEST for size in sizes):
            raise ValueError(
                f"[{self.name}] expected sizes of {name} that are not negative but got {tuple(shape)}."
                if any(size is None or size < 0 for size in sizes)
                else f"[{self.name}] expected sizes of {name} up to {LARGEST} but got {tuple(shape)}."
            )
        return sizes

    def _sizes(self, what, given):
        sizes = tuple(map(integer, given)) if hasattr(given, "__iter__") else ()
        if len(sizes) != 3 or any(size is None or size < 1 for size in sizes):
            shown = tuple(given) if isinstance(given, (list, tuple)) else given
            raise ValueError(f"[{self.name}] expected {what} to be three positive sizes but got {shown}.")
        if max(sizes) > LARGEST:
            raise ValueError(
                f"[{self.name}] expected sizes of {what} up to {LARGEST}, all that MLX counts, but got {sizes}."
            )
        return sizes

    def _check_threads(self, threadgroup):
        if math.prod(threadgroup) > MOST_THREADS:
            raise ValueError(
                f"[{self.name}] expected at most {MOST_THREADS} threads in a threadgroup but got "
                f"{math.prod(threadgroup)} {threadgroup}."
            )

    def _init_value(self, value):
        value = value.item() if isinstance(value, mx.array) and value.size == 1 else value
        if value is None or isinstance(value, (bool, float)):
            return value
        whole = integer(value)
        if whole is not None and -(2**63) <= whole < 2**64:
            return whole
        if whole is not None or not isinstance(value, numbers.Real):
            raise TypeError(f"[{self.name}] expected init_value to be a number or None but got {shown(value)}.")
        return float(value)

    def _template(self, given):
        """The template arguments as pairs, with Python's own integers."""
        pairs = list(given) if isinstance(given, (list, tuple)) else [given]
        if not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
            way_out = "; pass list(template.items())" if isinstance(given, dict) else ""
            raise TypeError(
                f"[{self.name}] expected template to be a list of pairs, a name and a value, but got "
                f"{given!r}{way_out}."
            )
        _check_names(self.name, "template", [name for name, _ in pairs])
        return [(name, self._constant(name, value)) for name, value in pairs]

    def _constant(self, name, value):
        if isinstance(value, mx.Dtype):
            return self._dtype(f"the template argument {name}", value)
        if isinstance(value, bool):
            return value
        constant = None if isinstance(value, mx.array) else integer(value)
        if constant is None:
            raise TypeError(
                f"[{self.name}] expected the template argument {name} to be a dtype, int or bool but got "
                f"{value!r}; pass a float as an input."
            )
        if not -LARGEST - 1 <= constant <= LARGEST:
            raise ValueError(
                f"[{self.name}] expected the template argument {name} to fit an int of 32 bits but got "
                f"{shown(constant)}; pass it as an input."
            )
        return constant

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

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
    _check_text(name, "source", source)
    _check_text(name, "header", header)
    options = dict(header=header, ensure_row_contiguous=ensure_row_contiguous, atomic_outputs=atomic_outputs)
    made_of = (name, input_names, output_names, source, *options.values(), compile_options, validate)
    if engine.NAME == "opencl":
        run = engine.Kernel(name, input_names, output_names, source, **options, validate=validate)
    elif validate:
        raise BackendError(f"[{name}] validation needs the opencl backend but this is {engine.NAME}.")
    elif engine.NAME == "reference":
        raise BackendError(f"[{name}] no engine can run Metal kernels here: {engines.engine('opencl').missing()}")
    elif engine.NAME == "cuda":
        run = engine.build(name, input_names, output_names, source, **options)
    else:
        extra = {"compile_options": compile_options} if compile_options else {}
        source, options["header"] = (NOT_ASCII.sub("?", text) for text in (source, header))
        run = mx.fast.metal_kernel(name, input_names, output_names, source, **options, **extra)
    return MetalKernel(run, engine.LAZY, made_of)


def _kind(given):
    return "one array" if isinstance(given, mx.array) else type(given).__name__


def _check_names(kernel, what, names):
    if not isinstance(names, (list, tuple)):
        raise TypeError(f"[{kernel}] expected {what} to be a list of names but got {names!r}.")
    for name in names:
        if not isinstance(name, str) or not name.isidentifier() or not name.isascii():
            raise ValueError(f"[{kernel}] expected {what} to hold identifiers but got {name!r}.")
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"[{kernel}] expected {what} to be distinct but {name!r} is there twice.")


def _check_text(kernel, what, text):
    """Refuse NUL, at which compilers stop without an error, and text that MLX does not hand to Apple's compiler."""
    if not isinstance(text, str):
        raise TypeError(f"[{kernel}] expected {what} to be a string but got {type(text).__name__}.")
    found = re.search("[\0\ud800-\udfff]", text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        raise ValueError(f"[{kernel}] expected {what} to be text but it holds {found[0]!r}, in line {line}.")
    if found := foreign(text):
        line = text.count("\n", 0, found.start()) + 1
        raise ValueError(
            f"[{kernel}] expected {what} to be ASCII outside of comments, as MLX hands it to Apple's compiler, but it "
            f"holds {found[0]!r}, in line {line}."
        )
