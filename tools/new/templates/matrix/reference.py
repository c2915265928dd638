import mlx.core as mx

from loader.maths import over_time as _over_time
from loader.maths import wide as _wide


def NAME(q, k, v, g, initial_state=None, reset=None):
    """h[t] = g[t] * h[t-1] + k[t] (x) v[t], o[t] = q[t] . h[t], each head on its own.

    Returns o [B, L, H, Dv] in v's dtype and the state [B, H, Dk, Dv].
    """
    query, key, value, gate = _wide(q), _wide(k)[..., None], _wide(v)[..., None, :], _wide(g)[..., None, None]
    batch, length, heads, keys = q.shape
    h = mx.zeros((batch, heads, keys, v.shape[-1]), value.dtype) if initial_state is None else initial_state
    outputs = []
    for t in range(length):
        if reset is not None:
            h = mx.where(reset[:, t, None, None, None], 0, h)
        h = gate[:, t] * h + key[:, t] * value[:, t]
        outputs.append(mx.sum(query[:, t, :, :, None] * h, axis=-2))
    return _over_time(outputs, v), h
