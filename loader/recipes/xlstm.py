"""mLSTM, the matrix memory of xLSTM, whose input gate is an exponential."""

import mlx.core as mx

from ..masks import replace
from .recipe import last, one_late, prefixes, recipe, sums


@recipe(state=("B H Dk Dv", "B H Dk", "B H"), q="B L Hk Dk", k="B L Hk Dk", v="B L H Dv", i="B L H", f="B L H")
def mlstm(q, k, v, i, f, *, initial_state=None, reset=None, scale=1.0):
    """C[t] = f' C[t-1] + i' k[t] (x) v[t], n[t] = f' n[t-1] + i' k[t], o[t] = q' . C / max(|q' . n|, exp(-m)).

    q' = scale q, i' = exp(i[t] - m[t]), f' = sigmoid(f[t]) exp(m[t-1] - m[t]), and m keeps both within float32's range.
    q and k [B, L, Hk, Dk], v [B, L, H, Dv] with H % Hk == 0, i and f [B, L, H] before their activations, of any size.
    Returns o [B, L, H, Dv] in v's dtype; the state is (C [B, H, Dk, Dv], n [B, H, Dk], m [B, H]), float32.

    C and n stand for C exp(m) and n exp(m), and no output depends on which m that is: here it is the paper's, rounded
    up to a whole number, so that a sum of gates and differences of m is not rounded. Any m may come in.
    Raises TypeError and ValueError, naming the argument that does not fit.
    Beck et al. 2024, xLSTM: Extended Long Short-Term Memory, arXiv:2405.04517, eq. 19 to 27.
    """
    C, n, m = initial_state or (None, None, None)
    log_i, log_f = i.astype(mx.float32), -mx.logaddexp(-f.astype(mx.float32), 0)
    level = _level(log_i, log_f, m, reset)
    before = one_late(level, m)
    kept = mx.exp(replace(reset, log_f + (before - level), 0))
    state = None if C is None else (C, n)
    o, total, (C, n) = sums(q, k, v, kept, state, reset, scale, mx.exp(log_i - level))
    least = mx.exp(mx.minimum(-level, 80))[..., None]
    return (o / mx.maximum(mx.abs(total), least)).astype(v.dtype), (C, n, last(level, m))


def _level(log_i, log_f, m, reset):
    """m[t] = max(log f[t] + m[t-1], log i[t]), rounded up, [B, L, H]; its slope is 0."""
    log_i, log_f = mx.stop_gradient(log_i), mx.stop_gradient(log_f)
    total = mx.cumsum(log_f, axis=1)
    m = None if m is None else mx.stop_gradient(m)
    return mx.stop_gradient(mx.ceil(total + prefixes("max", log_i - total, m, reset)))
