"""The function of flash-linear-attention, mamba-ssm or causal-conv1d for a model, and our inputs as it takes them."""

import importlib


def of(model, inputs):
    """(function of a mapping of tensors, that mapping). Raises ImportError where the package is not installed."""
    return _PEERS[model.op](model, inputs)


def _function(module, name):
    return getattr(importlib.import_module(module), name)


def _fla(module, name):
    # Their gated backward refuses Hopper with some versions of Triton, for its results; its time it has all the same.
    importlib.import_module("fla.ops.common.chunk_o").IS_NVIDIA_HOPPER = False
    return _function(module, name)


def _logged(inputs, gate):
    return {**inputs, gate: inputs[gate].clamp(min=1e-6).log()}


def _delta(model, inputs):
    by_key = model.shapes["g"]
    place = ("fla.ops.kda", "chunk_kda") if by_key else ("fla.ops.gated_delta_rule", "chunk_gated_delta_rule")
    return _scaled(_fla(*place), model), _logged(inputs, "g")


def _gla(model, inputs):
    place = ("fla.ops.gla", "chunk_gla") if model.shapes["g"] else ("fla.ops.simple_gla", "chunk_simple_gla")
    return _scaled(_fla(*place), model), _logged(inputs, "g")


def _dplr(model, inputs):
    """With what their RWKV-7 layer says of its gates, which lie above exp(-exp(-0.5))."""
    call = _fla("fla.ops.rwkv7", "chunk_rwkv7")
    known = {"safe_gate": True, "lower_bound": -0.6065306597126334, "chunk_size": 64}
    renamed = {"q": "r", "g": "w"}
    logged = {renamed.get(name, name): x for name, x in _logged(inputs, "g").items()}
    return lambda x: call(**x, scale=model.options["scale"], **known)[0], logged


def _scaled(call, model):
    return lambda inputs: call(**inputs, scale=model.options["scale"])[0]


def _rglru(model, inputs):
    call = _fla("fla.ops.hgrn", "chunk_hgrn")
    logged = _logged(inputs, "a")
    return lambda x: call(x["b"], x["a"])[0], {"a": logged["a"].to(inputs["b"].dtype), "b": inputs["b"]}


def _ssd(model, inputs):
    call = _function("mamba_ssm.ops.triton.ssd_combined", "mamba_chunk_scan_combined")
    return lambda x: call(x["u"], x["delta"], x["A"], x["B"], x["C"], 256), inputs


def _selective(model, inputs):
    """Theirs has time last; the copies are made once, as their models have it."""
    call = _function("mamba_ssm.ops.selective_scan_interface", "selective_scan_fn")
    turned = {n: x.transpose(1, 2).contiguous() if n in ("u", "delta", "B", "C", "z") else x for n, x in inputs.items()}

    def function(x):
        y = call(x["u"], x["delta"], x["A"], x["B"], x["C"], x["D"], x["z"], x["delta_bias"], delta_softplus=True)
        return y.transpose(1, 2)

    return function, turned


def _conv(model, inputs):
    """Theirs takes time last, of arrays whose channels lie side by side, as ours do."""
    call = _function("causal_conv1d", "causal_conv1d_fn")
    turned = {"x": inputs["x"].transpose(1, 2), "weight": inputs["weight"].T.contiguous()}
    return lambda x: call(x["x"], x["weight"], activation="silu").transpose(1, 2), turned


_PEERS = {
    "short_conv": _conv,
    "gated_delta": _delta,
    "gla": _gla,
    "dplr": _dplr,
    "rglru": _rglru,
    "ssd": _ssd,
    "selective_scan": _selective,
}
