import mlx.core as mx

from loader.maths import over_time as _over_time
from loader.maths import wide as _wide


def NAME(a, x, initial_state=None, reset=None):
    """h[t] = a[t] * h[t-1] + (1 - a[t]) * x[t], y[t] = h[t].

    Returns y [B, L, D] in x's dtype and the state [B, D].
    """
    decay, value = _wide(a), _wide(x)
    batch, length, channels = x.shape
    h = mx.zeros((batch, channels), value.dtype) if initial_state is None else initial_state
    states = []
    for t in range(length):
        if reset is not None:
            h = mx.where(reset[:, t, None], 0, h)
        h = decay[:, t] * h + (1 - decay[:, t]) * value[:, t]
        states.append(h)
    return _over_time(states, x), h
