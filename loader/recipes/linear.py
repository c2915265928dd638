"""Linear attention without a gate, or with one that never changes: retention, linear attention, Based."""

import math

import mlx.core as mx
import numpy as np

from .recipe import recipe, run, sums


@recipe(state="B H Dk Dv", q="B L Hk Dk", k="B L Hk Dk", v="B L H Dv", decay="H")
def retention(q, k, v, decay, *, initial_state=None, reset=None, scale=1.0):
    """S[t] = decay S[t-1] + k[t] (x) v[t], o[t] = scale q[t] . S[t], with one decay a head for all time.

    q and k [B, L, Hk, Dk], v [B, L, H, Dv] with H % Hk == 0, decay [H]: for RetNet 1 - 2^(-5 - h), for lightning
    attention exp(-slope). Returns o [B, L, H, Dv] in v's dtype; the state is S [B, H, Dk, Dv], float32.
    Raises TypeError and ValueError, naming the argument that does not fit.
    Sun et al. 2023, Retentive Network, arXiv:2307.08621, eq. 6; Qin et al. 2024, Lightning Attention-2,
    arXiv:2401.04658.
    """
    g = mx.broadcast_to(decay.astype(mx.float32), v.shape[:3])
    return run("gla", q, k, v, g, initial_state=initial_state, reset=reset, scale=scale)


def _linear_state(normalize=False, **_):
    return ("B H Dk Dv", "B H Dk") if normalize else "B H Dk Dv"


@recipe(state=_linear_state, q="B L Hk Dk", k="B L Hk Dk", v="B L H Dv")
def linear_attention(q, k, v, *, initial_state=None, reset=None, normalize=False, scale=1.0, eps=1e-6):
    """S[t] = S[t-1] + k[t] (x) v[t], o[t] = scale q[t] . S[t]; normalised, divided by scale q[t] . n[t] + eps, where
    n[t] = n[t-1] + k[t].

    q and k [B, L, Hk, Dk], to which the caller has applied the feature map, v [B, L, H, Dv] with H % Hk == 0. Returns
    o [B, L, H, Dv] in v's dtype; the state is S [B, H, Dk, Dv], and (S, n [B, H, Dk]) with `normalize`, float32.
    Raises TypeError and ValueError, naming the argument that does not fit.
    Katharopoulos et al. 2020, Transformers are RNNs, arXiv:2006.16236, eq. 16 to 20.
    """
    g = mx.ones(v.shape[:3])
    if not normalize:
        return run("gla", q, k, v, g, initial_state=initial_state, reset=reset, scale=scale)
    o, total, state = sums(q, k, v, g, initial_state, reset, scale)
    return (o / (total + eps)).astype(v.dtype), state


@recipe(state=("B H F Dv", "B H F"), q="B L Hk Dk", k="B L Hk Dk", v="B L H Dv")
def based(q, k, v, *, initial_state=None, reset=None, terms=(1.0, 1.0, 0.5), scale=1.0, eps=1e-6):
    """o[t] = sum_s p(t, s) v[s] / (sum_s p(t, s) + eps) over s <= t, p = c0 + c1 x + c2 x^2, x = scale q[t] . k[s].

    `terms` is (c0, c1, c2), none negative: by default those of exp, as in Based; (0, 0, 1) is ReBased. Inside, q and k
    become F features: 1, Dk and Dk (Dk + 1) / 2 of them for the three terms, without those that are 0. q and k
    [B, L, Hk, Dk], v [B, L, H, Dv] with H % Hk == 0. Returns o [B, L, H, Dv] in v's dtype; the state is
    (S [B, H, F, Dv], n [B, H, F]), float32.
    Raises TypeError and ValueError, naming the argument that does not fit.
    Arora et al. 2024, Simple linear attention language models, arXiv:2402.18668; Aksenov et al. 2024, ReBased,
    arXiv:2402.10644.
    """
    if len(terms) != 3 or min(terms) < 0 or not any(terms):
        raise ValueError(f"[based] expected terms to be three numbers, none negative and not all 0, but got {terms}.")
    query, key = (_powers(x.astype(mx.float32), terms) for x in (q * scale, k))
    o, total, state = sums(query, key, v, mx.ones(v.shape[:3]), initial_state, reset)
    return (o / (total + eps)).astype(v.dtype), state


def _powers(x, terms):
    """Features of `x` [..., D] whose products are c0 + c1 x.y + c2 (x.y)^2: of the squares each pair once."""
    size = x.shape[-1]
    first, second = np.triu_indices(size)
    constant, linear, square = (math.sqrt(term) for term in terms)
    twice = mx.array(np.where(first == second, square, square * math.sqrt(2)).astype(np.float32))
    parts = [
        (constant, lambda: mx.full((*x.shape[:-1], 1), constant)),
        (linear, lambda: x * linear),
        (square, lambda: x[..., mx.array(first)] * x[..., mx.array(second)] * twice),
    ]
    return mx.concatenate([make() for term, make in parts if term], axis=-1)
