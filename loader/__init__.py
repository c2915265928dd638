"""Linear recurrences for MLX: plain `.metal` kernels, one manifest, cached kernels and custom VJPs.

    import loader
    rglru = loader.get("rglru")
    y = rglru(a, b)                                             # differentiable
    y, state = rglru(a, b, initial_state=state, return_state=True)

The environment variable LOADER_BACKEND (metal, cuda, opencl, reference) chooses the engine; by default it is
the first that can run here.
"""

import copyreg
import importlib
import os
import re
import weakref
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

try:
    import mlx.core
except ImportError as error:
    raise ImportError(
        "[loader] needs MLX: pip install 'metal-recurrence[cpu]' on Linux, [cuda13] beside an NVIDIA GPU, mlx on a Mac."
    ) from error

from . import manifest, reference
from .errors import BackendError, CompileError, LoaderError, ManifestError, ValidationError, suggest
from .integrations import (
    patch_mlx_lm,
    patch_mlx_vlm,
    patched_mlx_lm,
    patched_mlx_vlm,
    unpatch_mlx_lm,
    unpatch_mlx_vlm,
)
from .op import Op
from .packed import reset_from_cu_seqlens
from .portable import engines, kernel
from .scan import associative_scan

__version__ = "0.2.0"
__all__ = [
    "BackendError",
    "CompileError",
    "LoaderError",
    "ManifestError",
    "Op",
    "ValidationError",
    "associative_scan",
    "backend",
    "clear_cache",
    "get",
    "load",
    "metal_kernel",
    "names",
    "patch_mlx_lm",
    "patch_mlx_vlm",
    "patched_mlx_lm",
    "patched_mlx_vlm",
    "reset_from_cu_seqlens",
    "unpatch_mlx_lm",
    "unpatch_mlx_vlm",
    "warm_up",
]


# Modules that are imported at their first use: few programs need them.
_LATE = ("nn", "parallel", "recipes", "testing")

if TYPE_CHECKING:
    from . import nn as nn
    from . import parallel as parallel
    from . import recipes as recipes
    from . import testing as testing
else:  # hidden from type checkers, to which it would give every name

    def __getattr__(name):
        if name in _LATE:
            return importlib.import_module(f".{name}", __name__)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}.{suggest(name, __dir__())}")


def __dir__() -> list[str]:
    return sorted((*__all__, *_LATE, "__version__"))


def load(
    path: str | os.PathLike[str],
    references: Mapping[str, Callable[..., Sequence[mlx.core.array]]] | None = None,
    backend: str | None = None,
) -> dict[str, Op]:
    """Load a manifest: its ops, `{name: Op}`, built for the engine in use or for `backend`.

    `references` maps an op's name to the same op in plain MLX: a function that takes inputs and options by name and
    returns every output as a tuple. Without a reference an op runs only where its kernels run. Unpickling an op loads
    `path` again; to be pickled, its reference must be a function that can be imported.
    Raises ManifestError naming file, line, op and key.
    """
    engine = engines.choose(backend) if backend else _engine
    ops = _build(manifest.load(path), references or {}, engine)
    _loaded.update((_pickled(op), op) for op in ops.values())
    return ops


def get(name: str, backend: str | None = None) -> Op:
    """The op called `name`, built at import for the engine in use; `backend` gives another engine's.

    `backend="metal"` works on every machine: where the op cannot run, mx.export_function still takes its `forward`.
    Raises ValueError for a name that is not in `names()`.
    """
    engine = backend or _engine.NAME
    if engine not in _ops:
        chosen = engines.engine(engine) if engine == "metal" else engines.choose(engine)
        _ops[engine] = _build(_specs, _REFERENCES, chosen)
    ops = _ops[engine]
    if name not in ops:
        raise ValueError(f"[loader] there is no op {name!r}; expected one of {', '.join(ops)}.{suggest(name, ops)}")
    return ops[name]


def names() -> tuple[str, ...]:
    """The names of the ops that `get` knows."""
    return tuple(_specs)


def backend() -> str:
    """The name of the engine that runs the kernels: metal, cuda, opencl or reference."""
    return _engine.NAME


def metal_kernel(
    name: str,
    input_names: Sequence[str],
    output_names: Sequence[str],
    source: str,
    header: str = "",
    ensure_row_contiguous: bool = True,
    atomic_outputs: bool = False,
    compile_options: Mapping[str, Any] | None = None,
    validate: bool | None = None,
) -> kernel.MetalKernel:
    """mx.fast.metal_kernel on every backend: on a Mac it is that; elsewhere the same source runs on an NVIDIA GPU or,
    on x86-64 Linux, on the CPU.

    `source` is the body of a kernel and `header` the lines above it; MLX or the loader writes the signature.
    `validate=True`, or LOADER_VALIDATE=1, checks every call for accesses out of bounds, elements never written,
    races and barriers that not all threads reach, on the opencl backend. Raises ValueError for names that do not
    fit, BackendError where no engine runs kernels. docs/portable-metal.md lists the parts of Metal's language that
    run on each backend."""
    return kernel.make(
        _engine,
        name,
        input_names,
        output_names,
        source,
        header,
        ensure_row_contiguous,
        atomic_outputs,
        compile_options,
        validate,
    )


def warm_up(name: str, *arrays: mlx.core.array, backward: bool = True, **keywords: Any) -> None:
    """Compile the kernels of an op before their first use, and wait for the optimised programs.

    `name` and the other arguments are those of a call: `loader.warm_up("gated_delta", q, k, v, g, beta)`. Only shapes,
    dtypes and options count, so `mx.zeros(...)` will do; the opencl backend does not evaluate it. `backward=False`
    leaves out the gradient's kernels. Without a warm-up the first call compiles: on the opencl backend it waits seconds
    for a quick build, and the optimised build follows in the background (LOADER_BUILD=auto).
    Raises as a call does for arguments that do not fit, and CompileError.
    """
    get(name).warm_up(*arrays, backward=backward, **keywords)


def clear_cache() -> None:
    """Remove the compiled programs that the opencl backend keeps on disk."""
    engines.engine("opencl").clear_cache()


def _build(specs, references, engine):
    return {name: Op(spec, engine, references.get(name)) for name, spec in specs.items()}


def _pickled(op):
    """(name, manifest, reference, backend) of an op, which identify it; the backend in use is None."""
    return op.spec.name, str(op.spec.path), op._reference, None if op.engine is _engine else op.engine.NAME


def _reduce(op):
    """The function and arguments by which pickle finds an op again, here or on another machine."""
    name, path, _, backend = _pickled(op)
    return (get, (name, backend)) if path == str(_PATH) else (_restore, _pickled(op))


def _restore(*pickled):
    """The op that was pickled if this process still has it, else the op loaded again."""
    name, path, reference, backend = pickled
    if pickled not in _loaded:
        ops = load(path, {name: reference}, backend)
        if name not in ops:
            raise ValueError(f"[loader] expected {path} to have the op {name!r}, as when it was pickled.")
        return ops[name]
    return _loaded[pickled]


def _find_manifest():
    """manifest.yaml lies inside this package in a wheel, and beside it in a checkout."""
    here = Path(__file__).resolve().parent
    inside = here / "manifest.yaml"
    return inside if inside.is_file() else here.parent / "manifest.yaml"


def _check_mlx(version):
    """Refuse an MLX whose gradients of strided slices may be silently wrong."""
    if tuple(map(int, re.findall(r"\d+", version)[:3])) < (0, 32, 4):
        raise ImportError(f"[loader] expected MLX 0.32.4 or later but got {version}; run: pip install --upgrade mlx.")


_check_mlx(mlx.core.__version__)
_PATH = _find_manifest()
_REFERENCES = {name: f for name, f in vars(reference).items() if callable(f) and not name.startswith("_")}
_engine = engines.choose()
_loaded = weakref.WeakValueDictionary()
copyreg.pickle(Op, _reduce)
copyreg.pickle(kernel.MetalKernel, lambda made: (metal_kernel, made.made_of))
_specs = manifest.load(_PATH)
_ops = {_engine.NAME: _build(_specs, _REFERENCES, _engine)}
