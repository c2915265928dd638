"""Layers on the ops, as mlx.nn modules: `RGLRU`, the recurrent block of Griffin, and its `CausalConv`."""

import mlx.core as mx
import mlx.nn as nn

from . import get, parallel, reference
from .arguments import check_array, integer
from .masks import keep, take, valid
from .maths import bounded_sqrt

_STEEPEST = 1000.0


class CausalConv(nn.Module):
    """Depthwise causal convolution over time: y[t] = bias + sum_i weight[i] * x[t - taps + 1 + i].

    `weight` is [taps, width], `bias` [width].
    """

    def __init__(self, width: int, taps: int = 4):
        super().__init__()
        width, taps = _count("CausalConv", "width", width), _count("CausalConv", "taps", taps)
        self.weight = mx.random.uniform(-1, 1, (taps, width)) * taps**-0.5
        self.bias = mx.zeros(width)

    def __call__(
        self,
        x: mx.array,
        past: mx.array | None = None,
        reset: mx.array | None = None,
        *,
        mask: mx.array | None = None,
        lengths: mx.array | None = None,
    ) -> tuple[mx.array, mx.array]:
        """Convolve `x` [B, L, width], which follows the inputs `past` [B, taps - 1, width], zeros by default. Returns
        y, of x's shape and dtype, and the `past` of the next call. A step from a True of `reset` [B, L] on does not see
        steps before it.

        `mask` and `lengths` mark padding, as for `RGLRU`: y is 0 at padding, and neither other steps nor `past` see
        it. Raises TypeError and ValueError for an argument of another type or shape.
        """
        taps, width = self.weight.shape
        mask = _steps("CausalConv", x, width, reset, mask, lengths)
        batch, length, _ = x.shape
        if past is None:
            past = mx.zeros((batch, taps - 1, width), x.dtype)
        _check("CausalConv", "past", past, mx.floating, {"B": batch, "taps - 1": taps - 1, "width": width})
        if mask is None:
            return self._convolve(x, past, reset)
        order = mx.argsort(mx.where(mask, 0, length) + mx.arange(length), axis=1)  # padding last
        rank = mx.cumsum(mask.astype(mx.int32), axis=1)
        last = mask.sum(axis=1, keepdims=True) + mx.arange(taps - 1)
        x, reset = (None if each is None else take(keep(mask, each), order) for each in (x, reset))
        y, _ = self._convolve(x, past, reset)
        past = take(mx.concatenate([past, x], axis=1), last)
        if reset is not None:
            sequence = mx.pad(mx.cumsum(reset.astype(mx.int32), axis=1), [(0, 0), (taps - 1, 0)])
            past = keep(take(sequence, last) == sequence[:, -1:], past)
        return keep(mask, take(y, mx.maximum(rank - 1, 0))), past

    def _convolve(self, x, past, reset):
        """y and the next `past`, in the dtypes to which MLX's arithmetic would promote them."""
        taps, kept = len(self.weight), mx.result_type(past, x)
        x = x.astype(mx.result_type(kept, self.weight, self.bias))
        convolve = get("short_conv") if 2 <= taps <= 8 else _any_taps
        y, past = convolve(
            x, self.weight, bias=self.bias, initial_state=past.astype(mx.float32), reset=reset, return_state=True
        )
        return y, past.astype(kept)


def _any_taps(x, weight, *, bias, initial_state, reset, return_state):
    """short_conv in MLX operations, for numbers of taps that the op refuses."""
    return reference.short_conv(x, weight, bias, initial_state, reset)


class RGLRU(nn.Module):
    """The recurrent block of Griffin (De et al. 2024, arXiv:2402.19427, section 2 and eq. 1-4; RecurrentGemma).

        u = conv(enter(x)[hidden:])
        r, i = sigmoid(u W + bias)                              the recurrence and input gates
        log a = -8 softplus(decay) r
        h[t] = a[t] h[t-1] + sqrt(1 - a[t]^2) i[t] u[t]
        y = leave(gelu(enter(x)[:hidden]) h)

    `width` is the size of x and y, `hidden` that of the recurrence (default: `width`). W is block-diagonal with one
    block a head, [heads, hidden / heads, 2 hidden / heads]: 1 head is the full matrix of Griffin's equations;
    RecurrentGemma uses one block for each attention head. Initial values of a, at r = 1, are uniform between 0.9 and
    0.999.

    a and h are float32 for parameters of any dtype. sqrt(1 - a^2) is computed from log a, without cancellation near
    a = 1, and its derivative is at most 1000, as in RecurrentGemma.
    Raises TypeError if a size is not an int, and ValueError if it is not positive or `heads` does not divide `hidden`.
    """

    C = 8.0

    def __init__(self, width: int, hidden: int | None = None, *, heads: int = 1, conv_width: int = 4):
        super().__init__()
        width, heads = _count("RGLRU", "width", width), _count("RGLRU", "heads", heads)
        hidden = width if hidden is None else _count("RGLRU", "hidden", hidden)
        conv_width = _count("RGLRU", "conv_width", conv_width)
        if hidden % heads:
            raise ValueError(f"[RGLRU] expected heads to divide hidden, {hidden}, but got {heads}.")
        block = hidden // heads
        self.width = width
        self.enter = nn.Linear(width, 2 * hidden)
        self.conv = CausalConv(hidden, conv_width)
        self.gate_weight = mx.random.normal((heads, block, 2 * block)) * block**-0.5
        self.gate_bias = mx.zeros((2, hidden))
        slowest = -mx.log(mx.random.uniform(0.9, 0.999, (hidden,))) / self.C
        self.decay = mx.log(mx.expm1(slowest))  # softplus(decay) = slowest
        self.leave = nn.Linear(hidden, width)
        self._group = None

    def over_time(self, group: mx.distributed.Group | None = None) -> "RGLRU":
        """From now on x and `reset` are this rank's piece of the time axis, as for `loader.parallel.over_time`; the
        default group is all processes. Calls then take no `cache`, `mask` or `lengths`. Returns the module itself."""
        self._group = parallel.choose(group)
        return self

    def __call__(
        self,
        x: mx.array,
        cache: list | None = None,
        reset: mx.array | None = None,
        *,
        mask: mx.array | None = None,
        lengths: mx.array | None = None,
    ) -> mx.array:
        """Map `x` [B, L, width] to y [B, L, width], for any L: a whole text, a piece of it or one token.

        Pass `cache=make_cache()` to the first call. Each call continues from the cache and updates it: item 0 is the
        last inputs of the convolution [B, conv_width - 1, hidden], item 1 is h [B, hidden] in float32. Any object with
        items 0 and 1 will do. `reset` [B, L] bool marks the first steps of packed sequences: the convolution does not
        see steps before them, and h starts from 0. (RecurrentGemma also leaves out the factor sqrt(1 - a^2) at the
        first step of a sequence.)

        For a batch of padded prompts, `mask` [B, L] bool is False at padding, anywhere in a row; `lengths` [B] ints
        stands for the mask `mx.arange(L) < lengths[:, None]`, padding on the right; with both, both must hold. Outputs
        and cache are those of the rows without padding, even if it holds NaN; at padding y is 0 and `reset` is
        ignored. For the second piece of a prompt cut after N steps pass `lengths - N`: negative numbers count as 0.
        Raises TypeError and ValueError for an argument of another type or shape.
        """
        if self._group is not None and not (cache is mask is lengths is None):
            raise ValueError("[RGLRU] expected no cache, mask or lengths over time, where each rank has a piece of x.")
        mask = _steps("RGLRU", x, self.width, reset, mask, lengths)
        past, state = self._cached(cache, len(x))
        if mask is not None:
            x, reset = keep(mask, x), None if reset is None else reset & mask
        gate, u = mx.split(_linear(self.enter, x), 2, axis=-1)
        scan = get("rglru")
        if self._group is not None:
            past, scan = (
                parallel.halo(u, len(self.conv.weight) - 1, self._group, reset),
                parallel.over_time(scan, self._group),
            )
        u, past = self.conv(u, past, reset, mask=mask)
        a, b = self.coefficients(u)
        if mask is not None:
            a, b = keep(mask, a, 1), keep(mask, b)
        h, state = scan(a, b, initial_state=state, reset=reset, return_state=True)
        if cache is not None:
            cache[0], cache[1] = past, state
        y = _linear(self.leave, nn.gelu_approx(gate) * h)
        return y if mask is None else keep(mask, y)

    def _cached(self, cache, batch):
        """The last inputs of the convolution and h from a cache, or None if it is empty."""
        if cache is None:
            return None, None
        try:
            past, state = cache[0], cache[1]
            cache[0] = past
        except (IndexError, KeyError, TypeError, ValueError) as error:
            raise TypeError(
                f"[RGLRU] expected cache to have items 0 and 1, to be read and set, but got {cache!r}; "
                "begin with make_cache()."
            ) from error
        taps, hidden = self.conv.weight.shape
        if past is not None:
            axes = {"B": batch, "conv_width - 1": taps - 1, "hidden": hidden}
            _check("RGLRU", "cache[0]", past, mx.floating, axes)
        if state is not None:
            _check("RGLRU", "cache[1]", state, mx.float32, {"B": batch, "hidden": hidden})
        return past, state

    def coefficients(self, u: mx.array) -> tuple[mx.array, mx.array]:
        """a, float32, and b of h[t] = a[t] h[t-1] + b[t] for `u` [B, L, hidden], the output of the convolution."""
        r, i = self.gates(u)
        log_a = -self.C * nn.softplus(self.decay.astype(mx.float32)) * r.astype(mx.float32)
        scale = bounded_sqrt(-mx.expm1(2 * log_a), _STEEPEST)
        return mx.exp(log_a), (scale * i * u).astype(u.dtype)

    def gates(self, u: mx.array) -> tuple[mx.array, mx.array]:
        """r and i, both in (0, 1) and shaped as `u` [B, L, hidden]."""
        heads, block, _ = self.gate_weight.shape
        blocks = mx.unflatten(mx.flatten(u, 0, 1), -1, (heads, block))
        products = mx.swapaxes(mx.swapaxes(blocks, 0, 1) @ self.gate_weight, 0, 1)
        r, i = (product.reshape(u.shape) + bias for product, bias in zip(mx.split(products, 2, -1), self.gate_bias))
        return mx.sigmoid(r), mx.sigmoid(i)

    @staticmethod
    def make_cache() -> list:
        """An empty cache for `__call__`."""
        return [None, None]


def _linear(layer, x):
    """`layer(x)`. MLX 0.32's CUDA build ends the process on a product without rows: for these, a row of zeros gives
    the shape."""
    if x.size:
        return layer(x)
    y = layer(mx.zeros((1,) * (x.ndim - 1) + x.shape[-1:], x.dtype))
    return mx.zeros((*x.shape[:-1], y.shape[-1]), y.dtype)


def _steps(layer, x, width, reset, mask, lengths):
    """The mask of the steps that are not padding, None if all are; raises for arguments of a wrong type or shape."""
    _check(layer, "x", x, mx.floating, {"B": None, "L": None, "width": width})
    batch, length, _ = x.shape
    for name, each in (("reset", reset), ("mask", mask)):
        if each is not None:
            _check(layer, name, each, mx.bool_, {"B": batch, "L": length})
    if lengths is not None:
        _check(layer, "lengths", lengths, mx.integer, {"B": batch})
    return valid(mask, lengths, length)


def _check(layer, name, x, kind, axes):
    """Raise unless `x` is an array of this kind of dtype and of the sizes `axes`; None is any size."""
    check_array(layer, name, x)
    if not mx.issubdtype(x.dtype, kind):
        kind, got = (str(each).rpartition(".")[2] for each in (kind, x.dtype))
        raise TypeError(f"[{layer}] expected {name} to be of dtype {kind} but got {got}.")
    expected = [got if size is None else size for size, got in zip(axes.values(), x.shape)]
    if x.ndim != len(axes) or x.shape != tuple(expected):
        sizes = ", ".join(axis if size is None else str(size) for axis, size in axes.items())
        raise ValueError(f"[{layer}] expected {name} to have shape ({', '.join(axes)}) = ({sizes}) but got {x.shape}.")


def _count(layer, name, value):
    """`value` as a positive int."""
    count = integer(value)
    if count is None:
        raise TypeError(f"[{layer}] expected {name} to be an int but got {value!r}.")
    if count < 1:
        raise ValueError(f"[{layer}] expected {name} to be positive but got {count}.")
    return count
