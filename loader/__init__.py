"""Linear recurrences for MLX: plain `.metal` kernels, one manifest, cached kernels and custom VJPs.

    import loader
    rglru = loader.get("rglru")
    y = rglru(a, b)                                             # differentiable
    y, state = rglru(a, b, initial_state=state, return_state=True)

The environment variable LOADER_BACKEND (metal, cuda, opencl, reference) chooses the engine; by default it is
the first that can run here.
"""

import importlib
from pathlib import Path

try:
    import mlx.core  # noqa: F401
except ImportError as error:
    raise ImportError(
        "[loader] needs MLX: pip install 'metal-recurrence[cpu]' on Linux, [cuda13] beside an NVIDIA GPU, mlx on a Mac."
    ) from error

from . import backends, kernel, manifest, reference
from .document import suggest
from .errors import BackendError, CompileError, LoaderError, ManifestError, ValidationError
from .integrations.mlx_lm import patch_mlx_lm, patched_mlx_lm, unpatch_mlx_lm
from .op import Op
from .packed import reset_from_cu_seqlens
from .scan import associative_scan

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
    "patched_mlx_lm",
    "reset_from_cu_seqlens",
    "unpatch_mlx_lm",
]


def __getattr__(name):
    """`loader.nn` is imported at its first use: few need mlx.nn for this."""
    if name == "nn":
        return importlib.import_module(".nn", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def load(path, references=None, backend=None):
    """The ops of a manifest, `{name: Op}`, built for the engine in use or for `backend`.

    `references` maps an op's name to the same op in plain MLX: a function of the inputs and options by
    name that returns every output, as a tuple. Without one an op runs only where its kernels do.
    Raises ManifestError naming file, line, op and key.
    """
    engine = backends.choose(backend) if backend else _engine
    return _build(manifest.load(path), references or {}, engine)


def get(name, backend=None):
    """The op called `name`, built at import. `backend` gives the one of another engine instead.

    An op of the "metal" backend can be had anywhere: where it cannot run, its `forward` still exports.
    Raises ValueError for a name that is not in `names()`.
    """
    engine = backend or _engine.NAME
    if engine not in _ops:
        chosen = backends.metal if engine == backends.metal.NAME else backends.choose(engine)
        _ops[engine] = _build(_specs, _REFERENCES, chosen)
    ops = _ops[engine]
    if name not in ops:
        raise ValueError(f"[loader] there is no op {name!r}; expected one of {', '.join(ops)}.{suggest(name, ops)}")
    return ops[name]


def names():
    """The names of the ops that `get` knows."""
    return tuple(_ops[_engine.NAME])


def backend():
    """The name of the engine that runs the kernels: metal, cuda, opencl or reference."""
    return _engine.NAME


def metal_kernel(
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
    """mx.fast.metal_kernel on every backend: on a Mac it is that; elsewhere the same source runs on an NVIDIA GPU or,
    on x86-64 Linux, on the CPU.

    `source` is the body of a kernel and `header` what stands above it; MLX, or here the loader, writes the
    signature. `validate=True`, or LOADER_VALIDATE=1, checks every call for accesses out of bounds, elements
    never written, races and barriers that not all threads reach, on the opencl backend.
    Raises ValueError for names that do not fit, BackendError where no engine runs kernels.
    See docs/portable-metal.md for what of Metal's language runs where.
    """
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


def clear_cache():
    """Remove the compiled programs that the opencl backend keeps on disk."""
    backends.opencl.clear_cache()


def _build(specs, references, engine):
    return {name: Op(spec, engine, references.get(name)) for name, spec in specs.items()}


def _find_manifest():
    """manifest.yaml lies inside this package in a wheel, and beside it in a checkout."""
    here = Path(__file__).resolve().parent
    inside = here / "manifest.yaml"
    return inside if inside.is_file() else here.parent / "manifest.yaml"


_PATH = _find_manifest()
_REFERENCES = {name: f for name, f in vars(reference).items() if callable(f) and not name.startswith("_")}
_engine = backends.choose()
_specs = manifest.load(_PATH)
_ops = {_engine.NAME: _build(_specs, _REFERENCES, _engine)}
