"""A layer's op at a model's sizes, and the functions that MLX's users call today."""

import mlx.core as mx

import loader
from loader.expression import DTYPES, Scope

from . import model_peers, models
from .cases import OURS, Case


def make(name, length, scale=1.0, dtype="bfloat16", batch=1):
    """The case of a model. Raises ValueError or TypeError if our op refuses it."""
    model = models.MODELS[name]
    op = loader.get(model.op)
    mx.random.seed(0)
    inputs = draw(model, op, {"B": batch, "L": length, **models.scaled(model, scale)}, dtype)

    ours = _positional(op, op, inputs, model)
    y = ours(*inputs.values())
    cotangents = [mx.random.normal(y.shape).astype(y.dtype)]
    mx.eval(y, cotangents)
    contenders = {OURS: ours, **model_peers.of(model, list(inputs))}
    return Case(op, name, dtype, inputs, cotangents, batch * length, contenders)


def over(case, function):
    """`function`, which has the arguments of the case's op, as a function of the case's inputs in order."""
    return _positional(case.op, function, case.inputs, models.MODELS[case.label])


def stacked(case, function, layers):
    """`layers` calls of such a function, each on the output of the one before in place of the first input that has its
    axes, as the layers of a model follow one another."""
    y, *_ = case.op.spec.outputs
    alike = [array.name for array in case.op.spec.required if _axes(array) == _axes(y)]
    place = list(case.inputs).index(alike[0])

    def called(*arrays):
        for _ in range(layers):
            y = function(*arrays)
            arrays = (*arrays[:place], y, *arrays[place + 1 :])
        return y

    return called


def _axes(array):
    return [axis.text for axis in array.shapes[0]]


def _positional(op, function, names, model):
    def called(*arrays):
        given = dict(zip(names, arrays))
        required = [given.pop(array.name) for array in op.spec.required]
        return function(*required, **given, **model.options)

    return called


def draw(model, op, sizes, dtype):
    """Random inputs by name: the required ones, and the model's optional ones."""
    arrays = [a for a in op.spec.inputs if not a.optional or a.name in model.optional]
    inputs = {array.name: _draw(model, array, sizes, dtype) for array in arrays}
    mx.eval(inputs)
    return inputs


def _draw(model, array, sizes, dtype):
    shape = [axis(Scope(sizes, {}, {})) for axis in array.shapes[model.shapes.get(array.name, 0)]]
    if array.name in model.steady:
        x = mx.broadcast_to(mx.random.uniform(*model.ranges[array.name], shape[2:]), shape)
    elif array.name in model.ranges:
        x = mx.random.uniform(*model.ranges[array.name], shape)
    else:
        x = mx.random.normal(shape)
    if array.name in model.unit:
        x = x / mx.linalg.norm(x, axis=-1, keepdims=True)
    return mx.contiguous(x.astype(DTYPES["float32" if array.name in model.float32 else dtype]))
