"""Every op in plain MLX, by name. Ops run these references where no engine runs kernels, and tests check kernels with
them.

A reference takes the op's inputs and options by name and returns every output as a tuple. It computes in float32, or in
float64 on float64 inputs, and loops over time, so that it reads like the equation. mx.exp and mx.sigmoid have float32's
precision in float64 too, so references use those of `maths`.
"""

import mlx.core as mx

from .masks import take as _take
from .maths import bounded_sqrt as _bounded_sqrt
from .maths import exp as _exp
from .maths import fresh as _fresh
from .maths import over_time as _over_time
from .maths import wide as _wide
from .operators import OPERATORS


def rglru(a, b, initial_state=None, reset=None):
    """h[t] = a[t] * h[t-1] + b[t], y[t] = h[t]. Returns y [B, L, D] in b's dtype and the state [B, D]."""
    decay, value = _wide(a), _wide(b)
    batch, length, channels = b.shape
    h = mx.zeros((batch, channels), value.dtype) if initial_state is None else initial_state
    states = []
    for t in range(length):
        h = _fresh(h, reset, t)
        h = decay[:, t] * h + value[:, t]
        states.append(h)
    return _over_time(states, b), h


def rotlru(a, cos, sin, b, initial_state=None, reset=None):
    """h[t] = a[t] * R(cos[t], sin[t]) h[t-1] + b[t] on pairs of channels. Returns y = h [B, L, D] and [B, D]."""
    decay, cosine, sine, value = (_wide(x) for x in (a, cos, sin, b))
    batch, length, channels = b.shape
    h = mx.zeros((batch, channels), value.dtype) if initial_state is None else initial_state
    states = []
    for t in range(length):
        h = _fresh(h, reset, t)
        u, w = h[:, ::2], h[:, 1::2]
        turned = mx.stack([cosine[:, t] * u - sine[:, t] * w, sine[:, t] * u + cosine[:, t] * w], axis=-1)
        h = (decay[:, t, :, None] * turned).reshape(batch, channels) + value[:, t]
        states.append(h)
    return _over_time(states, b), h


def associative_scan(x, initial_state=None, reset=None, operator=0, reverse=False):
    """y[t] = y[t-1] o x[t], o the operator of that number; with `reverse` time runs from the last step to the
    first. Returns y [B, L, D] in x's dtype and the state [B, D] after the scan's last step."""
    combine, identity = list(OPERATORS.values())[operator]
    value = _wide(x)
    batch, length, channels = x.shape
    h, states = initial_state, []
    for t in reversed(range(length)) if reverse else range(length):
        h = value[:, t] if h is None else combine(_fresh(h, reset, t, identity), value[:, t])
        states.append(h)
    h = mx.full((batch, channels), identity, value.dtype) if h is None else h
    return _over_time(states[::-1] if reverse else states, x), h


def short_conv(x, weight, bias=None, initial_state=None, reset=None, silu=False):
    """y[t] = bias + sum_i weight[i] x[t-K+1+i], silu of it if `silu`. Returns y [B, L, D] in x's dtype and the last
    K - 1 inputs [B, K - 1, D], 0 for those before a reset. It computes all steps at once."""
    value, taps = _wide(x), _wide(weight)
    batch, length, channels = x.shape
    reach = max(len(taps), 1) - 1
    past = mx.zeros((batch, reach, channels), value.dtype) if initial_state is None else initial_state
    inputs = mx.concatenate([past, value, mx.zeros((batch, 1, channels), value.dtype)], axis=1)
    if reset is None or x.size == 0:
        windows = [inputs[:, i : i + length] for i in range(len(taps))]
        state = inputs[:, length : length + reach]
    else:
        sequence = mx.pad(mx.cumsum(mx.stop_gradient(reset).astype(mx.int32), axis=1), [(0, 0), (reach, 0)])
        at = mx.arange(length + reach)
        now = sequence[:, reach:]
        windows = [
            _take(inputs, mx.where(sequence[:, i : i + length] == now, at[i : i + length], length + reach))
            for i in range(len(taps))
        ]
        state = _take(inputs, mx.where(sequence[:, length:] == now[:, -1:], at[length:], length + reach))
    y = sum((tap * window for tap, window in zip(taps, windows)), mx.zeros_like(value))
    y = y if bias is None else y + _wide(bias)
    return (_silu(y) if silu else y).astype(x.dtype), state


def ssd(u, delta, B, C, A, initial_state=None, reset=None):
    """h[t] = exp(delta[t] A) o h[t-1] + delta[t] u[t] (x) B[t], y[t] = h[t] C[t]: [B, L, H, Dh] and [B, H, Dh, N]."""
    batch, length, heads, channels = u.shape
    value, step, decay = _wide(u), _wide(delta), _wide(A)
    key, query = (_per_head(_wide(x), heads) for x in (B, C))
    decay = decay[:, None] if decay.ndim == 1 else decay
    shape = (batch, heads, channels, key.shape[3])
    h = mx.zeros(shape, value.dtype) if initial_state is None else initial_state
    outputs = []
    for t in range(length):
        h = _fresh(h, reset, t)
        gate = _exp(step[:, t, :, None] * decay)
        drive = (step[:, t, :, None] * value[:, t])[..., None] * key[:, t, :, None]
        h = gate[:, :, None] * h + drive
        outputs.append((h * query[:, t, :, None]).sum(axis=-1))
    return _over_time(outputs, u), h


def rglru_gated(u, delta, A, initial_state=None, reset=None, sqrt_grad_limit=1000.0):
    """g = A^delta[t], h[t] = g o h[t-1] + sqrt(1 - g^2) u[t], y[t] = sum_n h[t]. Returns y [B, L, D] and [B, D, N].

    In gradients the slope of the root, 1 / (2 sqrt(1 - g^2)), is at most `sqrt_grad_limit`. At A = 0 the gate is 0,
    or 1 where delta is 0; its derivative with respect to A is 1 where delta is 1, else 0."""
    value, step, base = _wide(u), _wide(delta), _wide(A)
    base = base[:, None] if base.ndim == 1 else base
    closed = base == 0
    decay = mx.log(mx.where(closed, 1, base))
    batch, length, channels = u.shape
    h = mx.zeros((batch, *base.shape), value.dtype) if initial_state is None else initial_state
    outputs = []
    for t in range(length):
        h = _fresh(h, reset, t)
        time = step[:, t, :, None]
        power = mx.where(closed, mx.stop_gradient(time) * -1e38, time * decay)
        gate = mx.where(closed & (time == 1), base, _exp(power))
        h = gate * h + _bounded_sqrt(-mx.expm1(2 * power), sqrt_grad_limit) * value[:, t, :, None]
        outputs.append(h.sum(axis=-1))
    return _over_time(outputs, u), h


def selective_scan(
    u,
    delta,
    A,
    B,
    C,
    D=None,
    z=None,
    delta_bias=None,
    initial_state=None,
    reset=None,
    delta_softplus=False,
):
    """h[t] = exp(delta[t] A) o h[t-1] + delta[t] u[t] (x) B[t], y[t] = (h[t] C[t] + D u[t]) * silu(z[t]).

    delta first gets `delta_bias` and, with `delta_softplus`, softplus. Returns y [B, L, D] and the state [B, D, N].
    """
    value, step, decay, key, query = (_wide(x) for x in (u, delta, A, B, C))
    step = step if delta_bias is None else step + _wide(delta_bias)
    step = mx.maximum(step, 0) + mx.log1p(_exp(-mx.abs(step))) if delta_softplus else step
    h = mx.zeros((u.shape[0], *A.shape), value.dtype) if initial_state is None else initial_state
    outputs = []
    for t in range(u.shape[1]):
        h = _fresh(h, reset, t)
        drive = (step[:, t] * value[:, t])[..., None] * key[:, t, None]
        h = _exp(step[:, t, :, None] * decay) * h + drive
        y = (h * query[:, t, None]).sum(axis=-1)
        y = y if D is None else y + _wide(D) * value[:, t]
        opened = None if z is None else _wide(z[:, t])
        outputs.append(y if z is None else y * _silu(opened))
    return _over_time(outputs, u), h


def gla(q, k, v, g, initial_state=None, reset=None, scale=1.0):
    """h[t] = g[t] * h[t-1] + k[t] (x) v[t], o[t] = scale * q[t] . h[t]. Returns o [B, L, H, Dv] in v's dtype and the
    state [B, H, Dk, Dv]. g is one a head, [B, L, H], or one a key, [B, L, H, Dk]."""
    batch, length, heads, values = v.shape
    query, key = (_per_head(_wide(x), heads) for x in (q, k))
    value, gate = _wide(v), _wide(g)
    gate = gate[..., None, None] if gate.ndim == 3 else gate[..., None]
    h = mx.zeros((batch, heads, k.shape[3], values), value.dtype) if initial_state is None else initial_state
    outputs = []
    for t in range(length):
        h = _fresh(h, reset, t)
        h = gate[:, t] * h + key[:, t, ..., None] * value[:, t, :, None]
        outputs.append(scale * (query[:, t, ..., None] * h).sum(axis=-2))
    return _over_time(outputs, v), h


def gated_delta(q, k, v, g, beta, erase=None, initial_state=None, reset=None, scale=1.0):
    """S = g[t] o S, S += (beta[t] (v[t] - S erase[t])) (x) k[t], o[t] = scale * S q[t]. Returns o [B, L, H, Dv] in v's
    dtype and the state [B, H, Dv, Dk]. erase is k where it is absent; g is one a head, [B, L, H], or one a key,
    [B, L, H, Dk]. A step with beta 0 and g 1 does not change the state: use these values to mask a step."""
    batch, length, heads, values = v.shape
    query, key, read = (_per_head(_wide(x), heads) for x in (q, k, k if erase is None else erase))
    value, gate, rate = (_wide(x) for x in (v, g, beta))
    gate = gate[..., None, None] if gate.ndim == 3 else gate[..., None, :]
    S = mx.zeros((batch, heads, values, k.shape[3]), value.dtype) if initial_state is None else initial_state
    outputs = []
    for t in range(length):
        S = _fresh(S, reset, t)
        S = gate[:, t] * S
        error = value[:, t] - (S * read[:, t, :, None]).sum(axis=-1)
        S = S + (rate[:, t, :, None] * error)[..., None] * key[:, t, :, None]
        outputs.append(scale * (S * query[:, t, :, None]).sum(axis=-1))
    return _over_time(outputs, v), S


def dplr(q, k, v, a, b, g, initial_state=None, reset=None, scale=1.0):
    """S = S diag(g[t]) + (S a[t]) (x) b[t] + v[t] (x) k[t], where S a[t] is of the state before it decays, o[t] =
    scale * S q[t]. Returns o [B, L, H, Dv] in v's dtype and the state [B, H, Dv, Dk]. g is one a head, [B, L, H], or
    one a key, [B, L, H, Dk]. A step with g 1, b 0 and k 0 does not change the state."""
    query, key, value, read, added, gate = (_wide(x) for x in (q, k, v, a, b, g))
    gate = gate[..., None, None] if gate.ndim == 3 else gate[..., None, :]
    batch, length, heads, values = v.shape
    S = mx.zeros((batch, heads, values, k.shape[3]), value.dtype) if initial_state is None else initial_state
    outputs = []
    for t in range(length):
        S = _fresh(S, reset, t)
        update = (S * read[:, t, :, None]).sum(axis=-1)
        written = update[..., None] * added[:, t, :, None] + value[:, t, ..., None] * key[:, t, :, None]
        S = gate[:, t] * S + written
        outputs.append(scale * (S * query[:, t, :, None]).sum(axis=-1))
    return _over_time(outputs, v), S


def gated_delta_chunk_state(k, w, u, g, h0=None):
    """For each chunk of 64 steps v = u - w S^T, S = exp(g_last) S + (v o exp(g_last - g))^T k. Returns every S that
    enters a chunk, [B, L / 64, H, Dv, Dk] in k's dtype, v [B, L, H, Dv] in u's, and the last S [B, H, Dv, Dk]."""
    batch, length, heads, values = u.shape
    key, read, value, decay = (_wide(x) for x in (_per_head(k, heads), w, u, g))
    S = mx.zeros((batch, heads, values, k.shape[3]), value.dtype) if h0 is None else h0
    entering, written = [], []
    for start in range(0, length, 64):
        steps = range(start, min(start + 64, length))
        new = [value[:, t] - (S * read[:, t, :, None]).sum(axis=-1) for t in steps]
        entering.append(S)
        written += new
        last = decay[:, steps[-1]]
        S = _exp(last)[..., None, None] * S
        for t, v in zip(steps, new):
            S = S + (_exp(last - decay[:, t])[..., None] * v)[..., None] * key[:, t, :, None]
    empty = mx.zeros((batch, 0, *S.shape[1:]), k.dtype)
    return mx.stack(entering, axis=1).astype(k.dtype) if entering else empty, _over_time(written, u), S


def _per_head(x, heads):
    """[B, L, G, N] as [B, L, H, N]: each head gets its group's values; zeros if G is 0."""
    groups = x.shape[2]
    return mx.repeat(x, heads // groups, axis=2) if groups else mx.zeros((*x.shape[:2], heads, x.shape[3]), x.dtype)


def _silu(x):
    """x sigmoid(x)."""
    return x * (1 + mx.tanh(x / 2)) / 2
