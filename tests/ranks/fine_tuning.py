"""mlx-lm's models on our ops, data-parallel: each rank differentiates its rows of a batch."""

import mlx.core as mx
import mlx.nn as nn
import tiny_models
from mlx.utils import tree_flatten

import loader


def run(group, *models):
    """How far the averaged gradients are from those of the whole batch, by model: the largest error of a parameter."""
    mx.disable_compile()  # of mlx-lm's functions, which kernels that run at the call cannot be traced through
    with loader.patched_mlx_lm():
        return {name: worst(group, name) for name in models}


def worst(group, name):
    model = tiny_models.build(name)
    model.train()
    mx.random.seed(1)
    tokens = tiny_models.tokens(2 * group.size(), 19)

    def loss(model, tokens):
        return nn.losses.cross_entropy(model(tokens[:, :-1]), tokens[:, 1:], reduction="mean")

    gradients = nn.value_and_grad(model, loss)
    _, whole = gradients(model, tokens)
    _, mine = gradients(model, tokens[2 * group.rank() : 2 * group.rank() + 2])
    averaged = nn.average_gradients(mine, group)
    errors = {}
    for (parameter, got), (_, want) in zip(tree_flatten(averaged), tree_flatten(whole), strict=True):
        scale = mx.sqrt((want**2).mean()).item()
        errors[parameter] = mx.sqrt(((got - want) ** 2).mean()).item() / (scale or 1.0)
    assert any(x.any().item() for _, x in tree_flatten(whole))
    return max(errors.values())
