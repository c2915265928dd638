"""The packages that an op replaces, their own kernels run by the engine in use."""

import importlib

import mlx.core as mx

import loader

# op: (package, module, function of the op's required inputs)
_PEERS = {
    "rglru": ("mlx-recurrence", "mlx_recurrence.rglru", "rglru_scan"),
    "rotlru": ("mlx-recurrence", "mlx_recurrence.rotlru", "rotlru_scan"),
    "gla": ("mlx-recurrence", "mlx_recurrence.gla", "gla_scan"),
    "ssd": ("mlx-recurrence", "mlx_recurrence.ssd", "ssd_scan"),
}


def of(op):
    """`{package: function}` for an op: its own kernel where the package is installed (extra `bench`)."""
    if op not in _PEERS or loader.backend() == "reference":
        return {}
    package, module, function = _PEERS[op]
    # The package builds its kernels at the call, gradients included, so the way there stays changed.
    mx.fast.metal_kernel = _metal_kernel
    try:
        found = getattr(importlib.import_module(module), function)
        return {package: _with_groups(found) if op == "ssd" else found}
    except ImportError:
        return {}


def _with_groups(ssd_scan):
    """Theirs takes B and C of every head."""

    def function(u, delta, B, C, A):
        B, C = (mx.repeat(x, u.shape[2] // x.shape[2], axis=2) for x in (B, C))
        return ssd_scan(u, delta, B, C, A)

    return function


def _metal_kernel(name, input_names, output_names, source, header="", **_):
    engine = loader.get(loader.names()[0]).engine
    return engine.build(name, input_names, output_names, source, header)
