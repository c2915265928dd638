"""Log-linear attention: a weight for each of the log2(L) spans that the past of a token falls into."""

import mlx.core as mx

from ..masks import replace
from .recipe import begun, recipe, run


@recipe(
    state=("int32:B", "B J H Dk Dv"),
    q="B L Hk Dk",
    k="B L Hk Dk",
    v="B L H Dv",
    g="B L H | B L H Dk",
    levels="B L H N",
)
def log_linear_attention(q, k, v, g, levels, *, initial_state=None, reset=None, scale=1.0):
    """o[t] = scale sum_j levels[t, j] q[t] . S_j[t], S_j[t] what `gla` would hold of the steps that level j has at t.

    Level 0 is step t itself; level j > 0 has 2^(j-1) steps where bit j - 1 of t is set, none elsewhere: those from
    t // 2^j * 2^j on. q and k [B, L, Hk, Dk], v [B, L, H, Dv] with H % Hk == 0, g [B, L, H] or [B, L, H, Dk], levels
    [B, L, H, N], enough for sequences of 2^(N-1) steps. A call of `gla` a level. Returns o [B, L, H, Dv] in v's dtype;
    the state is (steps so far [B], int32, states of the levels but 0 [B, N - 1, H, Dk, Dv], float32).
    Raises TypeError and ValueError, naming the argument that does not fit, also where L is more than 2^(N-1); of a
    sequence that becomes longer by its state the levels forget the oldest.
    Guo et al. 2025, Log-Linear Attention, arXiv:2506.04761, section 3.1.
    """
    count = levels.shape[3]
    if count < 1 or q.shape[1] > 2 ** (count - 1):
        raise ValueError(
            f"[log_linear_attention] expected levels to have N with 2^(N-1) >= L = {q.shape[1]} but got N = {count}."
        )
    start, states = initial_state or (None, None)
    at = _places(q.shape[:2], start, reset)
    wide, value = levels.astype(mx.float32)[..., None], v.astype(mx.float32)
    heads = v.shape[2] // max(1, q.shape[2])
    scores = mx.repeat((q.astype(mx.float32) * k).sum(axis=-1), heads, axis=2)
    o, final = scale * wide[..., 0, :] * scores[..., None] * value, []
    for j in range(1, count):
        reads = (at >> (j - 1)) % 2 == 1
        part, state = run(
            "gla",
            q,
            replace(reads, k, 0),
            v,
            g,
            initial_state=None if states is None else states[:, j - 1],
            reset=at % 2**j == 0,
            scale=scale,
        )
        o = o + replace(~reads, wide[..., j, :] * part, 0)
        final.append(state)
    after = at[:, -1] + 1 if q.shape[1] else mx.zeros(len(q), mx.int32) if start is None else start
    S = mx.stack(final, axis=1) if final else mx.zeros((len(q), 0, *v.shape[2:3], k.shape[3], v.shape[3]))
    return o.astype(v.dtype), (after, S)


def _places(shape, start, reset):
    """The number of steps before each in its sequence, int32 [B, L], where `start` [B] went before the call."""
    at = mx.broadcast_to(mx.arange(shape[1]), shape)
    carried = at if start is None else at + start[:, None]
    if reset is None:
        return carried
    begin = begun(reset)
    return mx.where(begin < 0, carried, at - begin)
