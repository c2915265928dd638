"""Linear attention whose keys come of its gates, HGRN-2 and LightNet, and gated slots, which it reads twice."""

import mlx.core as mx

from ..masks import replace
from .recipe import last, one_late, prefixes, recipe, run


@recipe(state="B H Dk Dv", q="B L H Dk", g="B L H Dk", v="B L H Dv")
def hgrn2(q, g, v, *, initial_state=None, reset=None, scale=1.0):
    """S[t] = g[t] o S[t-1] + (1 - g[t]) (x) v[t], o[t] = scale q[t] . S[t], with g on the key axis.

    q [B, L, H, Dk], the output gate, g [B, L, H, Dk] in (0, 1), best in float32, v [B, L, H, Dv], the input. Returns o
    [B, L, H, Dv] in v's dtype; the state is S [B, H, Dk, Dv], float32.
    Raises TypeError and ValueError, naming the argument that does not fit.
    Qin et al. 2024, HGRN2: Gated Linear RNNs with State Expansion, arXiv:2404.07904, section 3.2.
    """
    return run("gla", q, 1 - g, v, g, initial_state=initial_state, reset=reset, scale=scale)


@recipe(state=("B H Dk Dv", "B H Dk"), q="B L H Dk", k="B L H Dk", v="B L H Dv")
def lightnet(q, k, v, *, initial_state=None, reset=None, scale=1.0):
    """S[t] = sum_s exp(k[s] - z[t]) (x) v[s] with z[t] = log sum_s exp(k[s]) over s <= t, o[t] = scale q[t] . S[t].

    q and k [B, L, H, Dk], v [B, L, H, Dv]. Returns o [B, L, H, Dv] in v's dtype; the state is (S [B, H, Dk, Dv],
    z [B, H, Dk]), float32.
    Raises TypeError and ValueError, naming the argument that does not fit.
    Qin et al. 2024, You Only Scan Once: LightNet, arXiv:2405.21022, section 3.
    """
    S, z = initial_state or (None, None)
    total = prefixes("logaddexp", k, z, reset)
    g = mx.exp(replace(reset, one_late(total, z) - total, 0))
    o, S = run("gla", q, mx.exp(k - total), v, g, initial_state=S, reset=reset, scale=scale)
    return o, (S, last(total, z, -mx.inf))


@recipe(state=("B H Dk M", "B H M Dv"), q="B L Hk Dk", k="B L Hk Dk", v="B L H Dv", s="B L H M", g="B L H M")
def gsa(q, k, v, s, g, *, initial_state=None, reset=None, scale=1.0):
    """K[t] = g[t] o K[t-1] + k[t] (x) s[t], V[t] = g[t] o V[t-1] + s[t] (x) v[t], o[t] = softmax(scale q[t] K[t]) V[t].

    q and k [B, L, Hk, Dk], v [B, L, H, Dv] with H % Hk == 0; s and g [B, L, H, M], what each of M slots takes of a
    token and keeps of itself: s = 1 - g in the paper, and of ABC, which has no gate, g = 1. The scores are one head of
    `gla` a slot, each with the head's keys and a single value. Returns o [B, L, H, Dv] in v's dtype; the state is
    (K [B, H, Dk, M], V [B, H, M, Dv]), float32.
    Raises TypeError and ValueError, naming the argument that does not fit.
    Zhang et al. 2024, Gated Slot Attention, arXiv:2409.07146, eq. 6; Peng et al. 2022, ABC, arXiv:2110.02488.
    """
    batch, length, heads, slots = s.shape
    K, V = initial_state or (None, None)
    if K is not None:
        K = mx.swapaxes(K, 2, 3).reshape(batch, heads * slots, -1, 1)
    each = s.astype(mx.float32).reshape(batch, length, heads * slots, 1)
    kept = g.reshape(batch, length, heads * slots)
    scores, K = run("gla", q, k, each, kept, initial_state=K, reset=reset, scale=scale)
    chosen = mx.softmax(scores.reshape(s.shape), axis=-1)
    o, V = run("gla", chosen, s, v, g, initial_state=V, reset=reset)
    return o, (mx.swapaxes(K.reshape(batch, heads, slots, -1), 2, 3), V)
