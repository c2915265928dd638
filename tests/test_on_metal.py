"""The manifest's choices for Apple GPUs, run by the engine in use: results are as exact."""

import pytest
from oracle import as_on_metal, check, draw, first, rank_sets

import loader
from loader.expression import ENGINES
from loader.plan import Launch

pytestmark = pytest.mark.skipif(loader.backend() == "reference", reason="no engine runs kernels here")


def expressions(spec):
    """The expressions that variants, constants and templates are made of."""
    for variant in spec.variants:
        yield from () if variant.when is None else (variant.when,)
        yield from (value for _, value in variant.constants)
    for step in spec.steps:
        yield from (value for _, value in step.template)


OTHERWISE = [n for n in loader.names() if any(ENGINES.keys() & e.names for e in expressions(loader.get(n).spec))]


def launches(op, example):
    """The threads of each group and the constants of each kernel, on many steps and with inputs of each rank."""
    options = tuple(option.default for option in op.spec.options)
    plans = [op.plan(draw(op, {"B": 1, "L": 150, **example}, ranks=ranks), options) for ranks in rank_sets(op)]
    steps = [step for plan in plans for step in (*plan.forward, *plan.backward) if isinstance(step, Launch)]
    return [(step.arguments["threadgroup"], list(map(str, step.arguments["template"]))) for step in steps]


def differing(name):
    """The op as on Metal, and the example that differs most from other engines, in threads above all."""
    op = loader.get(name)
    metal = as_on_metal(op)

    def differences(example):
        pairs = list(zip(launches(op, example), launches(metal, example)))
        return tuple(sum(here[i] != there[i] for here, there in pairs) for i in (0, 1))

    return metal, max(reversed(op.spec.examples), key=differences)


def test_some_ops_differ():
    assert {"gated_delta", "gla", "rglru_gated", "ssd"} <= set(OTHERWISE)


@pytest.mark.full("it compiles programs of its own", but=("rglru_gated", "rotlru"))
@pytest.mark.parametrize("dtype", first(1, ["float32", "bfloat16"], "it compiles programs of its own"))
@pytest.mark.parametrize("name", OTHERWISE)
def test_parity(name, dtype):
    """A few chunks, the last of them ragged, with all optional inputs and heads larger than a tile."""
    op, example = differing(name)
    dtypes = {array.name: dtype for array in op.spec.inputs if array.differentiable and len(array.dtypes) > 1}
    everything = [array.name for array in op.spec.optional]
    # The inputs of another rank, where one has several, in bfloat16.
    ranks = rank_sets(op)[0 if dtype == "float32" else -1]
    check(op, draw(op, {"B": 2, "L": 150, **example}, everything, dtypes, ranks=ranks))
