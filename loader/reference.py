"""Every op in plain MLX, by name: what runs where no engine does, and what the kernels are checked against.

A reference takes the op's inputs and options by name and returns every output as a tuple. It computes in
float32, or in float64 where that goes in, and loops over time, so that it reads like the equation.
"""

import mlx.core as mx

from .operators import OPERATORS


def rglru(a, b, initial_state=None, reset=None):
    """h[t] = a[t] * h[t-1] + b[t], y[t] = h[t]. Returns y [B, L, D] in b's dtype and the state [B, D]."""
    decay, value = _wide(a), _wide(b)
    batch, length, channels = b.shape
    h = mx.zeros((batch, channels), value.dtype) if initial_state is None else initial_state
    states = []
    for t in range(length):
        if reset is not None:
            h = _fresh(h, reset[:, t])
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
        if reset is not None:
            h = _fresh(h, reset[:, t])
        u, w = h[:, ::2], h[:, 1::2]
        turned = mx.stack([cosine[:, t] * u - sine[:, t] * w, sine[:, t] * u + cosine[:, t] * w], axis=-1)
        h = (decay[:, t, :, None] * turned).reshape(batch, channels) + value[:, t]
        states.append(h)
    return _over_time(states, b), h


def associative_scan(x, initial_state=None, reset=None, operator=0, reverse=False):
    """y[t] = y[t-1] o x[t], o the operator of that number; with `reverse` time runs from the last step to the
    first. Returns y [B, L, D] in x's dtype and the state [B, D]: what the scan ended with."""
    combine, identity = list(OPERATORS.values())[operator]
    value = _wide(x)
    batch, length, channels = x.shape
    h, states = initial_state, []
    for t in reversed(range(length)) if reverse else range(length):
        if reset is not None and h is not None:
            h = _fresh(h, reset[:, t], identity)
        h = value[:, t] if h is None else combine(h, value[:, t])
        states.append(h)
    h = mx.full((batch, channels), identity, value.dtype) if h is None else h
    return _over_time(states[::-1] if reverse else states, x), h


def short_conv(x, weight, bias=None, initial_state=None, reset=None, silu=False):
    """y[t] = bias + sum_i weight[i] x[t-K+1+i], silu of it if `silu`. Returns y [B, L, D] in x's dtype and the last
    K - 1 inputs [B, K - 1, D], 0 for those before a reset. All steps at once: no time goes into the next one."""
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
            _steps(inputs, mx.where(sequence[:, i : i + length] == now, at[i : i + length], length + reach))
            for i in range(len(taps))
        ]
        state = _steps(inputs, mx.where(sequence[:, length:] == now[:, -1:], at[length:], length + reach))
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
        if reset is not None:
            h = _fresh(h, reset[:, t])
        gate = _exp(step[:, t, :, None] * decay)
        drive = (step[:, t, :, None] * value[:, t])[..., None] * key[:, t, :, None]
        h = gate[:, :, None] * h + drive
        outputs.append((h * query[:, t, :, None]).sum(axis=-1))
    return _over_time(outputs, u), h


def rglru_gated(u, delta, A, initial_state=None, reset=None, sqrt_grad_limit=1000.0):
    """g = A^delta[t], h[t] = g o h[t-1] + sqrt(1 - g^2) u[t], y[t] = sum_n h[t]. Returns y [B, L, D] and [B, D, N].

    Where the slope of the root, 1 / (2 sqrt(1 - g^2)), passes `sqrt_grad_limit`, gradients take that for it. At A = 0
    the gate is 0, or 1 where delta is 0, with the slope 1 by A where delta is 1 and else none.
    """
    value, step, base = _wide(u), _wide(delta), _wide(A)
    base = base[:, None] if base.ndim == 1 else base
    closed = base == 0
    decay = mx.log(mx.where(closed, 1, base))
    batch, length, channels = u.shape
    h = mx.zeros((batch, *base.shape), value.dtype) if initial_state is None else initial_state
    outputs = []
    for t in range(length):
        if reset is not None:
            h = _fresh(h, reset[:, t])
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
        if reset is not None:
            h = _fresh(h, reset[:, t])
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
        if reset is not None:
            h = _fresh(h, reset[:, t])
        h = gate[:, t] * h + key[:, t, ..., None] * value[:, t, :, None]
        outputs.append(scale * (query[:, t, ..., None] * h).sum(axis=-2))
    return _over_time(outputs, v), h


def gated_delta(q, k, v, g, beta, erase=None, initial_state=None, reset=None, scale=1.0):
    """S = g[t] o S, S += (beta[t] (v[t] - S erase[t])) (x) k[t], o[t] = scale * S q[t]. Returns o [B, L, H, Dv] in v's
    dtype and the state [B, H, Dv, Dk]. erase is k where it is absent; g is one a head, [B, L, H], or one a key,
    [B, L, H, Dk]. A step with beta 0 and g 1 leaves the state alone: so steps are masked out."""
    batch, length, heads, values = v.shape
    query, key, read = (_per_head(_wide(x), heads) for x in (q, k, k if erase is None else erase))
    value, gate, rate = (_wide(x) for x in (v, g, beta))
    gate = gate[..., None, None] if gate.ndim == 3 else gate[..., None, :]
    S = mx.zeros((batch, heads, values, k.shape[3]), value.dtype) if initial_state is None else initial_state
    outputs = []
    for t in range(length):
        if reset is not None:
            S = _fresh(S, reset[:, t])
        S = gate[:, t] * S
        error = value[:, t] - (S * read[:, t, :, None]).sum(axis=-1)
        S = S + (rate[:, t, :, None] * error)[..., None] * key[:, t, :, None]
        outputs.append(scale * (S * query[:, t, :, None]).sum(axis=-1))
    return _over_time(outputs, v), S


def dplr(q, k, v, a, b, g, initial_state=None, reset=None, scale=1.0):
    """S = S diag(g[t]) + (S a[t]) (x) b[t] + v[t] (x) k[t], where S a[t] is of the state before it decays, o[t] =
    scale * S q[t]. Returns o [B, L, H, Dv] in v's dtype and the state [B, H, Dv, Dk]. g is one a head, [B, L, H], or
    one a key, [B, L, H, Dk]. A step with g 1, b 0 and k 0 leaves the state alone."""
    query, key, value, read, added, gate = (_wide(x) for x in (q, k, v, a, b, g))
    gate = gate[..., None, None] if gate.ndim == 3 else gate[..., None, :]
    batch, length, heads, values = v.shape
    S = mx.zeros((batch, heads, values, k.shape[3]), value.dtype) if initial_state is None else initial_state
    outputs = []
    for t in range(length):
        if reset is not None:
            S = _fresh(S, reset[:, t])
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


def _wide(x):
    """The dtype to compute in."""
    return x if x.dtype == mx.float64 else x.astype(mx.float32)


def _fresh(state, reset, value=0):
    """The state [B, ...], and `value` in its place where `reset` [B] holds.

    An index chooses, in the gradient too: that of mx.where multiplies by 0, which lets NaN through.
    """
    if state.size == 0:  # MLX's gather divides by the size
        return state
    choices = mx.stack([state, mx.full(state.shape, value, state.dtype)])
    chosen = mx.stop_gradient(reset).astype(mx.int32).reshape(1, -1, *(1 for _ in state.shape[1:]))
    return mx.take_along_axis(choices, mx.broadcast_to(chosen, (1, *state.shape)), axis=0)[0]


def _per_head(x, heads):
    """[B, L, G, N] as [B, L, H, N]: a group's for each of its heads, and 0 where there is no group."""
    groups = x.shape[2]
    return mx.repeat(x, heads // groups, axis=2) if groups else mx.zeros((*x.shape[:2], heads, x.shape[3]), x.dtype)


def _bounded_sqrt(x, limit):
    """sqrt(x), whose derivative is at most `limit`."""
    root = mx.stop_gradient(mx.sqrt(x))
    return root + (x - mx.stop_gradient(x)) / mx.maximum(2 * root, 1 / limit)


def _steps(x, at):
    """The steps `at` [B, N] of x [B, L, D]."""
    return mx.take_along_axis(x, mx.broadcast_to(at[..., None], (*at.shape, x.shape[2])), axis=1)


def _silu(x):
    """x sigmoid(x)."""
    return x * (1 + mx.tanh(x / 2)) / 2


def _exp(x):
    """e^x; mx.exp of float64 is no better than that of float32."""
    return mx.expm1(x) + 1 if x.dtype == mx.float64 else mx.exp(x)


def _over_time(steps, like):
    """Stack one array a step along axis 1, in the shape and dtype of `like`; no step gives no time."""
    return mx.stack(steps, axis=1).astype(like.dtype) if steps else mx.zeros_like(like)
