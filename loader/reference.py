"""Every op in plain MLX, by name: what runs where no engine does, and what the kernels are checked against.

A reference takes the op's inputs and options by name and returns every output as a tuple. It computes in
float32, or in float64 where that goes in, and loops over time, so that it reads like the equation.
"""

import mlx.core as mx


def rglru(a, b, initial_state=None, reset=None):
    """h[t] = a[t] * h[t-1] + b[t], y[t] = h[t]. Returns y [B, L, D] in b's dtype and the state [B, D]."""
    decay, value = _wide(a), _wide(b)
    batch, length, channels = b.shape
    h = mx.zeros((batch, channels), value.dtype) if initial_state is None else initial_state
    states = []
    for t in range(length):
        if reset is not None:
            h = mx.where(reset[:, t, None], 0, h)
        h = decay[:, t] * h + value[:, t]
        states.append(h)
    return _over_time(states, b), h


def _wide(x):
    """The dtype to compute in."""
    return x if x.dtype == mx.float64 else x.astype(mx.float32)


def _over_time(steps, like):
    """Stack one array a step along axis 1, in the shape and dtype of `like`; no step gives no time."""
    return mx.stack(steps, axis=1).astype(like.dtype) if steps else mx.zeros_like(like)
