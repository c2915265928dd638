"""The oracle itself: every reference against NumPy in float64 and against finite differences."""

import importlib
import itertools

import mlx.core as mx
import numpy as np
import pytest
from oracle import draw, option_sets, rank_sets

import loader
from loader import reference, testing
from loader.testing.twin import wide


def twin(name):
    """The op in NumPy: the function of its name in the file of its name in numpy_ops/."""
    return getattr(importlib.import_module(f"numpy_ops.{name}"), name)


def test_every_op_has_a_reference_and_a_numpy_twin():
    for name in loader.names():
        assert callable(getattr(reference, name)) and callable(twin(name))


@pytest.mark.parametrize("name", loader.names())
def test_reference_is_the_recurrence(name):
    testing.reference(loader.get(name), twin(name))


@pytest.mark.parametrize("name", loader.names())
def test_reference_gradients_are_finite_differences(name):
    op = loader.get(name)
    with mx.stream(mx.cpu):
        for present, ranks in itertools.product(option_sets(op), rank_sets(op)):
            inputs = wide(draw(op, {"B": 2, "L": 5, **op.spec.examples[0]}, present, ranks=ranks))

            def loss(inputs):
                return sum((y * mx.cos(mx.arange(y.size).reshape(y.shape))).sum() for y in op._reference(**inputs))

            for array in op.spec.inputs:
                if array.name not in inputs or not array.differentiable:
                    continue
                x = inputs[array.name]
                gradient = mx.grad(lambda x, n=array.name, i=inputs: loss({**i, n: x}))(x)
                way = mx.random.normal(x.shape).astype(mx.float64)
                up, down = (loss({**inputs, array.name: x + step * way}) for step in (1e-6, -1e-6))
                assert np.isclose(((up - down) / 2e-6).item(), (gradient * way).sum().item(), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", loader.names())
def test_second_derivatives_of_a_reference_are_finite_differences(name):
    op = loader.get(name)
    with mx.stream(mx.cpu):
        inputs = wide(draw(op, {"B": 1, "L": 3, **op.spec.examples[0]}, [array.name for array in op.spec.optional]))
        names = op.spec.differentiated(inputs)

        def loss(*arrays):
            outputs = op._reference(**{**inputs, **dict(zip(names, arrays))})
            return sum((y * mx.cos(mx.arange(y.size).reshape(y.shape))).sum() for y in outputs)

        x = [inputs[n] for n in names]
        way = [mx.random.normal(each.shape).astype(mx.float64) for each in x]

        def slope(*arrays):
            gradients = mx.grad(loss, list(range(len(names))))(*arrays)
            return sum((g * w).sum() for g, w in zip(gradients, way))

        up, down = (slope(*(each + step * w for each, w in zip(x, way))) for step in (1e-6, -1e-6))
        curve = sum((g * w).sum() for g, w in zip(mx.grad(slope, list(range(len(names))))(*x), way))
        assert np.isclose(((up - down) / 2e-6).item(), curve.item(), rtol=1e-5, atol=1e-7)
