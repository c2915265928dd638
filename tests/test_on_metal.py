"""What the manifest does otherwise on an Apple GPU, run by the engine in use: results are as exact."""

from types import SimpleNamespace

import pytest
from oracle import check, draw, first, rank_sets

import loader
from loader import Op
from loader.expression import ON_METAL

pytestmark = pytest.mark.skipif(loader.backend() == "reference", reason="no engine runs kernels here")


def expressions(spec):
    """The expressions that constants and templates are made of."""
    for variant in spec.variants:
        yield from (value for _, value in variant.constants)
    for step in spec.steps:
        yield from (value for _, value in step.template)


OTHERWISE = [name for name in loader.names() if any(ON_METAL in e.names for e in expressions(loader.get(name).spec))]


def as_on_metal(op):
    """The op planned as on Metal, its kernels built by the engine in use."""
    names = ("LAZY", "missing", "ready", "build", "prepare")
    engine = SimpleNamespace(NAME="metal", **{name: getattr(op.engine, name) for name in names})
    return Op(op.spec, engine, op._reference)


def test_some_ops_differ():
    assert {"gated_delta", "gla", "rglru_gated"} <= set(OTHERWISE)


@pytest.mark.full("it compiles programs of its own", but=("rglru_gated", "rotlru"))
@pytest.mark.parametrize("dtype", first(1, ["float32", "bfloat16"], "it compiles programs of its own"))
@pytest.mark.parametrize("name", OTHERWISE)
def test_parity(name, dtype):
    """A few chunks, the last of them ragged, with all optional inputs and heads larger than a tile."""
    op = as_on_metal(loader.get(name))
    dtypes = {array.name: dtype for array in op.spec.inputs if array.differentiable and len(array.dtypes) > 1}
    everything = [array.name for array in op.spec.optional]
    for ranks in rank_sets(op)[: 2 if dtype == "float32" else 1]:
        check(op, draw(op, {"B": 2, "L": 150, **op.spec.examples[-1]}, everything, dtypes, ranks=ranks))
