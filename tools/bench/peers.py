"""The packages that an op replaces; the engine in use runs their kernels."""

import importlib

import mlx.core as mx

import loader

# op: (package, module, function of the op's required inputs)
_PEERS = {
    "rglru": ("mlx-recurrence", "mlx_recurrence.rglru", "rglru_scan"),
    "rotlru": ("mlx-recurrence", "mlx_recurrence.rotlru", "rotlru_scan"),
    "gla": ("mlx-recurrence", "mlx_recurrence.gla", "gla_scan"),
    "ssd": ("mlx-recurrence", "mlx_recurrence.ssd", "ssd_scan"),
    "associative_scan": ("mlx-scan", "mlx_scan", "associative_scan"),
}
# Ops that MLX has in its core, as functions of the required inputs.
_CORE = {
    "associative_scan": lambda x: mx.cumsum(x, axis=1),
    "gated_delta": lambda q, k, v, g, beta: mx.fast.gated_delta_update(q, k, v, g, beta)[0],
}


def of(op, inputs):
    """`{package: function}` for an op on these inputs: MLX's own, and those of installed packages (extra `bench`),
    their kernels run by the engine in use."""
    found = {"MLX core": _CORE[op]} if op in _CORE else {}
    if op not in _PEERS or loader.backend() == "reference" or not _takes(op, inputs):
        return found
    package, module, function = _PEERS[op]
    # The package builds its kernels at the call, gradients included, so the patch stays.
    if loader.backend() != "metal":
        mx.fast.metal_kernel = _metal_kernel
    try:
        theirs = getattr(importlib.import_module(module), function)
    except ImportError:
        return found
    return {**found, package: _ADAPTED[op](theirs) if op in _ADAPTED else theirs}


def _takes(op, inputs):
    """mlx-recurrence's gla needs one gate a step, and keys and values of one size."""
    return op != "gla" or (inputs["g"].ndim == 3 and inputs["q"].shape == inputs["v"].shape)


def _with_groups(ssd_scan):
    """mlx-recurrence's takes B and C for every head."""

    def function(u, delta, B, C, A):
        B, C = (mx.repeat(x, u.shape[2] // x.shape[2], axis=2) for x in (B, C))
        return ssd_scan(u, delta, B, C, A)

    return function


def _sums(associative_scan):
    return lambda x: associative_scan(mx.add, x, axis=1)


_ADAPTED = {"ssd": _with_groups, "associative_scan": _sums}


def _metal_kernel(name, input_names, output_names, source, header="", **_):
    engine = loader.get(loader.names()[0]).engine
    return engine.build(name, input_names, output_names, source, header)
