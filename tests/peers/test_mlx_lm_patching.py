"""loader.patch_mlx_lm: the patched names, unpatching, and errors for functions that do not fit."""

import importlib
import sys
from types import ModuleType

import mlx.core as mx
import mlx.nn as nn
import pytest
from growth import assert_linear
from mlx_lm.models import (  # noqa: F401
    bailing_moe_v3,
    falcon_h1,
    gated_delta,
    granitemoehybrid,
    jamba,
    kimi_linear,
    mamba,
    mamba2,
    nemotron_h,
    olmo_hybrid,
    plamo2,
    qwen3_5,
    qwen3_next,
    recurrent_gemma,
    ssm,
)

import loader

DELTA = {gated_delta, qwen3_next, qwen3_5, kimi_linear, olmo_hybrid, bailing_moe_v3}
DUALITY = {ssm, mamba2, nemotron_h, falcon_h1, granitemoehybrid, plamo2}
NAMES = (
    {f"{module.__name__}.gated_delta_update" for module in DELTA}
    | {f"{module.__name__}.ssm_update" for module in DUALITY}
    | {
        "mlx_lm.models.recurrent_gemma.rnn_scan",
        "mlx_lm.models.mamba.MambaBlock._process_sequence",
        "mlx_lm.models.jamba.JambaMambaMixer.ssm_step",
        "mlx_lm.models.bailing_moe_linear.recurrent_gla",
        "mlx_lm.models.bailing_hybrid.recurrent_gla",
        "mlx_lm.models.rwkv7.Rwkv7TimeMixing._wkv7",
        "mlx.nn.layers.convolution.Conv1d.__call__",
    }
)


@pytest.fixture(autouse=True)
def unpatched():
    yield
    loader.unpatch_mlx_lm()


def snapshot():
    """Every object that a name of mlx-lm's modules and MLX's convolutions, or of the classes in them, leads to."""
    found = {}
    for name, module in list(sys.modules.items()):
        if module and (name.partition(".")[0] == "mlx_lm" or name == nn.Conv1d.__module__):
            for attribute, value in vars(module).items():
                found[f"{name}.{attribute}"] = value
                if isinstance(value, type):
                    found |= {f"{name}.{attribute}.{key}": each for key, each in vars(value).items()}
    return found


def changed(before, after):
    return {name for name in before if before[name] is not after[name]}


def test_what_is_patched_comes_back():
    for name in ("bailing_moe_linear", "bailing_hybrid", "rwkv7"):
        importlib.import_module(f"mlx_lm.models.{name}")
    before = snapshot()
    with loader.patched_mlx_lm() as names:
        assert NAMES <= set(names) == changed(before, snapshot())
    assert not changed(before, snapshot())


def test_the_returned_names_unpatch():
    before = snapshot()
    patched = loader.patch_mlx_lm()
    assert patched == sorted(patched) and NAMES <= set(patched)
    patched.unpatch()
    assert not changed(before, snapshot())


def test_twice_is_once():
    before = snapshot()
    assert loader.patch_mlx_lm() == loader.patch_mlx_lm()
    loader.unpatch_mlx_lm()
    loader.unpatch_mlx_lm()
    assert not changed(before, snapshot())


def test_a_context_leaves_what_it_found():
    loader.patch_mlx_lm()
    patched = snapshot()
    with loader.patched_mlx_lm(), pytest.raises(ZeroDivisionError):
        with loader.patched_mlx_lm():
            raise ZeroDivisionError
    assert not changed(patched, snapshot())


def test_modules_imported_later(monkeypatch):
    """Inside they bind the route, afterwards they have mlx-lm's own."""
    monkeypatch.delitem(sys.modules, "mlx_lm.models.falcon_h1")
    with loader.patched_mlx_lm():
        later = importlib.import_module("mlx_lm.models.falcon_h1")
        assert later.ssm_update is ssm.ssm_update and later.ssm_update.__module__.startswith("loader.")
    assert later.ssm_update is ssm.ssm_update and later.ssm_update.__module__ == "mlx_lm.models.ssm"


@pytest.fixture
def module(monkeypatch):
    """A loaded module of somebody else's."""
    made = ModuleType("somebodys")
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


def test_names_that_other_modules_bound(module):
    """Before the patch and while it holds, under a name of their own too."""
    own = ssm.ssm_update
    module.ssm_update = module.scan = own
    with loader.patched_mlx_lm() as names:
        assert {"somebodys.ssm_update", "somebodys.scan"} <= set(names)
        assert module.ssm_update is module.scan is ssm.ssm_update is not own
        module.bound_later = ssm.ssm_update
        module.delta = gated_delta.gated_delta_update
    assert module.ssm_update is module.scan is module.bound_later is own
    assert module.delta is gated_delta.gated_delta_update and module.delta.__module__ == gated_delta.__name__


def test_twice_finds_what_was_bound_in_between(module):
    own = ssm.ssm_update
    loader.patch_mlx_lm()
    module.ssm_update = own
    assert "somebodys.ssm_update" in loader.patch_mlx_lm() and module.ssm_update is ssm.ssm_update
    loader.unpatch_mlx_lm()
    assert module.ssm_update is ssm.ssm_update is own


def test_the_routes_stay_where_they_are_defined():
    from loader.integrations import mlx_lm_routes

    before = dict(vars(mlx_lm_routes))
    loader.patch_mlx_lm().unpatch()
    assert vars(mlx_lm_routes) == before


def test_modules_that_are_none_or_answer_to_everything(monkeypatch):
    """A lazy module loads itself at the first attribute that somebody asks for; nobody does."""

    class Strange(ModuleType):
        def __getattribute__(self, name):
            raise AssertionError(f"asked for {name}")

    class Object:
        __slots__ = ()

    for name, each in {"strange": Strange("strange"), "slots": Object(), "none": None, "number": 3}.items():
        monkeypatch.setitem(sys.modules, name, each)
    before = snapshot()
    loader.patch_mlx_lm().unpatch()
    assert not changed(before, snapshot())


def test_time_is_linear_in_the_modules(monkeypatch):
    def patch(count):
        with monkeypatch.context() as patched:
            for i in range(count):
                module = ModuleType(f"many.module{i}")
                vars(module).update((f"name{j}", object()) for j in range(40))
                patched.setitem(sys.modules, module.__name__, module)
            loader.patch_mlx_lm().unpatch()

    assert_linear(patch, 8000)


def refused(message):
    before = snapshot()
    with pytest.raises(loader.LoaderError, match=message):
        loader.patch_mlx_lm()
    assert not changed(before, snapshot())


def test_a_version_without_the_function(monkeypatch):
    monkeypatch.delattr(recurrent_gemma, "rnn_scan")
    refused(
        r"\[patch_mlx_lm\] expected mlx-lm [\d.]+ to have mlx_lm.models.recurrent_gemma.rnn_scan, but this version has "
        r"no such function; nothing was patched. pip install 'mlx-lm==[\d.]+' is known to work."
    )


def test_a_version_without_the_class(monkeypatch):
    monkeypatch.delattr(mamba, "MambaBlock")
    refused("mlx_lm.models.mamba.MambaBlock._process_sequence, but this version has no such function")


def test_a_version_without_the_module(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlx_lm.models.jamba", None)
    refused("to have a module mlx_lm.models.jamba, but this version has none")


def test_a_version_with_other_parameters(monkeypatch):
    monkeypatch.setattr(recurrent_gemma, "rnn_scan", lambda x, a, h0, reverse: x)
    refused(r"rnn_scan\(x, a, h0\), but this version takes \(x, a, h0, reverse\)")


def test_a_version_without_what_the_routes_use(monkeypatch):
    monkeypatch.delattr(ssm, "compute_dt")
    monkeypatch.delitem(sys.modules, "loader.integrations.mlx_lm_routes", raising=False)
    refused(r"to have what the routes use \(module 'mlx_lm.models.ssm' has no attribute 'compute_dt'")


def test_one_token_is_left_to_mlx_lm_but_where_the_op_is_faster(monkeypatch):
    routes = importlib.import_module("loader.integrations.mlx_lm_routes").ROUTES
    rnn_scan, ssm_update = (routes[f"mlx_lm.models.{name}"] for name in ("recurrent_gemma.rnn_scan", "ssm.ssm_update"))
    called = []

    def counted(name):
        called.append(name)
        return loader.get(name)

    recurrences = importlib.import_module("loader.integrations.recurrences")
    monkeypatch.setattr(recurrences, "get", counted)
    x, gate, state = mx.ones((1, 2, 8)), mx.full((1, 2, 8), 0.5), mx.zeros((1, 8))
    for length, wanted in ((1, []), (2, ["rglru"])):
        rnn_scan(x[:, :length], gate[:, :length], state)
        assert called == wanted
    heads, shared, rates = mx.ones((1, 1, 2, 4)), mx.ones((1, 1, 1, 4)), mx.ones((1, 1, 2))
    given = (heads, mx.ones(2), shared, shared, mx.ones(2), rates, mx.ones(2), mx.zeros((1, 2, 4, 4)))
    for engine, mask, wanted in (("opencl", None, 0), ("cuda", None, 1), ("opencl", mx.ones((1, 1), mx.bool_), 1)):
        called.clear()
        monkeypatch.setattr(recurrences, "backend", lambda engine=engine: engine)
        ssm_update(*given, mask=mask)
        assert called == ["ssd"] * wanted
        ssm_update(*given, (0.001, 100.0), mask, None)
        assert called == ["ssd"] * 2 * wanted
