"""mlx-lm's whole layer, patched and as it is: `python -m tools.bench --model qwen3-next --layer`, or `--decode`."""

import contextlib
from statistics import median

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_map

import loader

from . import measure

HEADER = (
    "| layer | B | L | pass | mlx-lm ms | patched ms | patched / mlx-lm | patched MB |\n"
    "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |"
)


def _qwen(hidden):
    from mlx_lm.models import qwen3_next

    sizes = dict(hidden_size=hidden, linear_num_value_heads=32, linear_num_key_heads=16)
    sizes |= dict(linear_key_head_dim=128, linear_value_head_dim=128, linear_conv_kernel_dim=4)
    return qwen3_next.Qwen3NextGatedDeltaNet(_Arguments(**sizes, rms_norm_eps=1e-6))


def _mamba2(hidden):
    from mlx_lm.models import mamba2

    sizes = dict(hidden_size=hidden, num_heads=hidden // 32, head_dim=64, intermediate_size=2 * hidden)
    sizes |= dict(ssm_state_size=128, n_groups=1, conv_kernel=4, time_step_limit=(0.001, 100.0))
    return mamba2.Mamba2Block(_Arguments(**sizes, layer_norm_epsilon=1e-5, use_bias=False, use_conv_bias=True), 0)


class _Arguments:
    """The fields of mlx-lm's ModelArgs that one layer reads."""

    def __init__(self, **fields):
        self.__dict__.update(fields)


# By model: its layer, and its hidden size.
LAYERS = {"qwen3-next": (_qwen, 2048), "mamba2-2.7b": (_mamba2, 2560)}


def run(name, batch, length, rounds, decode, dtype="bfloat16"):
    """The rows of a layer as text: forward and a training step, or with `decode` one token after a prompt."""
    make, hidden = LAYERS[name]
    layer = make(hidden)
    layer.update(tree_map(lambda x: x.astype(getattr(mx, dtype)), layer.parameters()))
    x = mx.random.normal((batch, 1 if decode else length, hidden)).astype(getattr(mx, dtype))
    mx.eval(x, layer.parameters())
    jobs = {"one token": _token(layer, x)} if decode else _passes(layer, x)
    return "\n".join(_row(name, x, what, job, rounds) for what, job in jobs.items())


def _passes(layer, x):
    layer.train()
    step = nn.value_and_grad(layer, lambda layer, x: layer(x, mask=None).astype(mx.float32).square().mean())
    return {"forward": lambda: layer(x, mask=None), "training step": lambda: step(layer, x)}


def _token(layer, x):
    """One token at a time, each from the state after the one before."""
    from mlx_lm.models.cache import ArraysCache

    layer.eval()
    cache = ArraysCache(2)
    mx.eval(layer(x, mask=None, cache=cache))
    return lambda: layer(x, mask=None, cache=cache)


def _row(name, x, what, job, rounds):
    """Patched and unpatched take turns."""
    ways = {"mlx-lm": contextlib.nullcontext, "patched": loader.patched_mlx_lm}
    taken = {way: [] for way in ways}
    for turn in range(rounds + 1):
        for way, context in ways.items():
            with context():
                if turn:
                    taken[way].append(measure.seconds(job))
                else:
                    peak = measure.peak(job)
    theirs, ours = (1e3 * median(taken[way]) for way in ways)
    size = f"{x.shape[0]} | {x.shape[1]}"
    return f"| {name} | {size} | {what} | {theirs:.3f} | {ours:.3f} | {ours / theirs:.2f} | {peak / 2**20:.0f} |"
