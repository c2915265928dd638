"""The sizes of public models, one row each: `python -m tools.bench --model NAME`."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Model:
    """An op at the sizes of one layer. Activations have the dtype of the run; the inputs in `float32` stay float32.

    `shapes` has the index of an input's shape, `ranges` its bounds; inputs in `unit` have length 1 along the last axis,
    and those in `steady` do not change over time. `optional` and `options` are passed to the op.
    """

    op: str
    dims: dict
    float32: tuple = ()
    shapes: dict = field(default_factory=dict)
    ranges: dict = field(default_factory=dict)
    unit: tuple = ()
    steady: tuple = ()
    optional: tuple = ()
    options: dict = field(default_factory=dict)


def _delta(H, Hk, Dk, Dv, by_key=False, beta=1.0):
    dims = {"H": H, "Hk": Hk, "Dk": Dk, "Dv": Dv}
    ranges = {"g": (0.9, 1.0), "beta": (0.0, beta)}
    shapes = {"g": int(by_key)}
    return Model("gated_delta", dims, ("g", "beta"), shapes, ranges, ("q", "k"), options={"scale": Dk**-0.5})


def _ssd(H, G, N, Dh=64):
    ranges = {"delta": (0.001, 0.1), "A": (-16.0, -1.0)}
    return Model("ssd", {"H": H, "G": G, "N": N, "Dh": Dh}, ("delta", "A"), {"A": 1}, ranges)


def _gla(H, Dk, Dv, by_key=False, steady=False):
    dims = {"H": H, "Hk": H, "Dk": Dk, "Dv": Dv}
    steady = ("g",) if steady else ()
    ranges = {"g": (0.9, 1.0)}
    return Model("gla", dims, ("g",), {"g": int(by_key)}, ranges, steady=steady, options={"scale": Dk**-0.5})


def _selective(D, N=16):
    ranges = {"delta": (-5.0, -2.0), "A": (-16.0, -1.0), "delta_bias": (0.0, 0.1)}
    floats, optional = ("A", "D", "delta_bias"), ("D", "z", "delta_bias")
    options = {"delta_softplus": True}
    return Model("selective_scan", {"D": D, "N": N}, floats, {}, ranges, optional=optional, options=options)


def _rwkv(H, Dh=64):
    """a and b have length 1 and are drawn apart; the model makes b of a."""
    ranges = {"g": (0.55, 1.0)}
    options = {"scale": 1.0}
    return Model("dplr", {"H": H, "Dk": Dh, "Dv": Dh}, ("g",), {"g": 1}, ranges, ("k", "a", "b"), options=options)


def _conv(D, K=4):
    return Model("short_conv", {"D": D, "K": K}, options={"silu": True})


MODELS = {
    "qwen3-next": _delta(32, 16, 128, 128),
    "kimi-linear": _delta(32, 32, 128, 128, by_key=True),
    "olmo-hybrid": _delta(30, 30, 96, 192, beta=2.0),
    "mamba2-2.7b": _ssd(80, 1, 128),
    "nemotron-h": _ssd(128, 8, 128),
    "granite-4-h": _ssd(128, 1, 256),
    "codestral-mamba": _ssd(128, 8, 128),
    "minimax-01": _gla(64, 128, 128, steady=True),
    "gla-1.3b": _gla(4, 256, 512, by_key=True),
    "retnet-1.3b": _gla(8, 256, 512, steady=True),
    "xlstm-7b": _gla(8, 256, 512),
    "mamba-2.8b": _selective(5120),
    "falcon-mamba": _selective(8192),
    "rwkv7-2.9b": _rwkv(40),
    "qwen3-next-conv": _conv(8192),
    "recurrentgemma-9b": Model("rglru", {"D": 4096}, ("a",), ranges={"a": (0.9, 1.0)}),
}
# The dims that --scale reduces: heads and channels, which are independent.
_SHARED = ("H", "Hk", "G", "D")


def names(chosen):
    """The models that the command line's NAME stands for; raises ValueError where it is none."""
    if chosen == "all":
        return tuple(MODELS)
    if chosen not in MODELS:
        raise ValueError(f"there is no model {chosen!r}; expected all or one of {', '.join(MODELS)}")
    return (chosen,)


def scaled(model, scale):
    """The dims of a share of a model's heads or channels; heads stay a multiple of those that they share."""
    dims = {name: max(1, round(size * scale)) if name in _SHARED else size for name, size in model.dims.items()}
    for shared in ("Hk", "G"):
        if shared in dims:
            dims["H"] = dims[shared] * max(1, model.dims["H"] // model.dims[shared]) if scale < 1 else dims["H"]
            if dims[shared] == 1 == model.dims[shared]:
                dims["H"] = max(1, round(model.dims["H"] * scale))
    return dims
