"""The packages that an op replaces, their own kernels run by the engine in use."""

import importlib

import mlx.core as mx

import loader

# op: (package, module, function of the op's required inputs)
_PEERS = {"rglru": ("mlx-recurrence", "mlx_recurrence.rglru", "rglru_scan")}


def of(op):
    """`{package: function}` for an op: its own kernel where the package is installed (extra `bench`)."""
    if op not in _PEERS or loader.backend() == "reference":
        return {}
    package, module, function = _PEERS[op]
    # The package builds its kernels at the call, gradients included, so the way there stays changed.
    mx.fast.metal_kernel = _metal_kernel
    try:
        return {package: getattr(importlib.import_module(module), function)}
    except ImportError:
        return {}


def _metal_kernel(name, input_names, output_names, source, header="", **_):
    engine = loader.get(loader.names()[0]).engine
    return engine.build(name, input_names, output_names, source, header)
