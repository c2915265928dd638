"""The host's cost of a call: the second call of a kind does little in Python, and a plan is bound once."""

import sys
from types import SimpleNamespace

import mlx.core as mx
from oracle import draw

import loader
from loader import Op
from tools.bench import host

SIZES = {"B": 1, "L": 1, "H": 2, "Hk": 1, "Dk": 8, "Dv": 8}


def build(name, input_names, output_names, source, header, resident):
    """A kernel that costs nothing."""

    def kernel(*, inputs, output_shapes, output_dtypes, **_):
        return [mx.zeros(shape, dtype) for shape, dtype in zip(output_shapes, output_dtypes)]

    return kernel


ENGINE = SimpleNamespace(
    NAME="fake", LAZY=True, missing=lambda: None, ready=lambda arrays: True, build=build, prepare=lambda *_: None
)


def functions_called(call):
    """How many functions of Python a call enters."""
    count = 0

    def see(frame, event, argument):
        nonlocal count
        count += event == "call"

    sys.setprofile(see)
    try:
        call()
    finally:
        sys.setprofile(None)
    return count


def test_a_call_seen_before_enters_few_functions():
    op = Op(loader.get("gated_delta").spec, ENGINE)
    inputs = draw(op, SIZES, ["initial_state"])
    state = inputs.pop("initial_state")
    rows = [mx.squeeze(x, 1) for x in inputs.values()]
    for call in (
        lambda: op(*inputs.values(), initial_state=state, return_state=True),
        lambda: op.step(*rows, initial_state=state),
    ):
        call()
        assert functions_called(call) <= 40


def test_the_host_bench_measures_every_kind_of_call(monkeypatch):
    monkeypatch.setattr(host, "ROUNDS", 1)
    if loader.backend() != "reference":
        assert all(microseconds > 0 for microseconds in host.measure("gated_delta"))
