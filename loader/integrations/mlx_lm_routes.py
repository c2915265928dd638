"""What `loader.patch_mlx_lm` puts in the place of mlx-lm's loops over time: same arguments, same results, our ops.

One token has no loop, and mlx-lm's few operations or its own Metal kernel take no longer than an op. So a call of
length 1 stays mlx-lm's, except on the engines where the op was measured to be faster: state space duality on cuda.
Masked calls of state space duality always take the op, because mlx-lm's leaves padding in the state.
"""

from functools import wraps

import mlx.core as mx
from mlx import nn
from mlx_lm.models import bailing_moe_linear, gated_delta, jamba, mamba, recurrent_gemma, ssm
from mlx_lm.models.activations import swiglu
from mlx_lm.models.gated_delta import compute_g, compute_lower_bound_g
from mlx_lm.models.ssm import compute_dt

from .. import backend, get


def _from_two_tokens(theirs, length, op_on=()):
    """A route that leaves one token to `theirs`, save on the engines `op_on`; `length`, of the same arguments, is the
    number of tokens."""

    def decorate(route):
        @wraps(route)
        def choose(*arguments, **keywords):
            if length(*arguments, **keywords) == 1 and backend() not in op_on:
                return theirs(*arguments, **keywords)
            return route(*arguments, **keywords)

        return choose

    return decorate


def _unmasked_length(hidden_states, *rest, mask=None, lengths=None, **_):
    """The number of tokens, or None where some of them may be padding."""
    padding = (*rest[8:], mask, lengths)
    return hidden_states.shape[1] if all(x is None for x in padding) else None


@_from_two_tokens(gated_delta.gated_delta_update, lambda q, *_, **__: q.shape[1])
def gated_delta_update(
    q,
    k,
    v,
    a,
    b,
    A_log,
    dt_bias,
    state=None,
    mask=None,
    *,
    use_kernel=True,
    lower_bound=None,
    allow_neg_eigval=False,
):
    """o [B, L, H, Dv] in q's dtype and the state [B, H, Dv, Dk]; a masked step leaves the state and gives 0.

    `use_kernel`, by which mlx-lm's models choose the path that has a gradient, has no meaning here: the op has one.
    """
    if mask is not None:
        q, k, v, a, b = _only(mask, q, k, v, a, b)
    beta = mx.sigmoid(b) * 2.0 if allow_neg_eigval else mx.sigmoid(b)
    if lower_bound is None:
        g = compute_g(A_log, a, dt_bias)
    else:
        g = compute_lower_bound_g(A_log, a, dt_bias, lower_bound)
    if mask is not None:
        g = _where(mask, g, 1)
    o, state = get("gated_delta")(q, k, v, g, beta, initial_state=_single(state), return_state=True)
    return o.astype(q.dtype), state


@_from_two_tokens(ssm.ssm_update, _unmasked_length, op_on=("cuda",))
def ssm_update(
    hidden_states,
    A_log,
    B,
    C,
    D,
    dt,
    dt_bias,
    state=None,
    time_step_limit=(0.001, 100.0),
    mask=None,
    lengths=None,
):
    """y [B, L, H, Dh] and the state [B, H, Dh, N]; a step that `mask` [B, L] or `lengths` [B] leaves out leaves the
    state and gives 0."""
    if lengths is not None:
        within = mx.arange(dt.shape[1]) < lengths[:, None]
        mask = within if mask is None else within & mask.astype(mx.bool_)
    if mask is not None:
        hidden_states, B, C, dt = _only(mask, hidden_states, B, C, dt)
    delta = compute_dt(dt, dt_bias, time_step_limit)
    if mask is not None:
        delta = _where(mask, delta, 0)
    decay = -mx.exp(A_log.astype(mx.float32))
    y, state = get("ssd")(hidden_states, delta, B, C, decay, initial_state=_single(state), return_state=True)
    return y + hidden_states * D[:, None], state


@_from_two_tokens(recurrent_gemma.rnn_scan, lambda x, *_, **__: x.shape[1])
def rnn_scan(x, a, h0):
    """y [B, L, D] in x's dtype and the state [B, D]."""
    y, state = get("rglru")(mx.broadcast_to(a, x.shape), x, initial_state=_single(h0), return_state=True)
    return y, state.astype(_result_type(x, h0))


@_from_two_tokens(mamba.MambaBlock._process_sequence, lambda self, x, *_, **__: x.shape[1])
def mamba_sequence(self, x, conv_cache, state_cache):
    """MambaBlock's whole sequence: mlx-lm's own method calls its scan once a token."""
    x, z = mx.split(self.in_proj(x), 2, axis=-1)
    keep = self.conv_kernel_size - 1
    x = mx.pad(x, [(0, 0), (keep, 0), (0, 0)]) if conv_cache is None else mx.concatenate([conv_cache, x], axis=1)
    A = -mx.exp(self.A_log)
    decayed = state_cache is not None or z.shape[1] > 1  # a first token has no state to decay
    dtype = _result_type(x, A if decayed else None, state_cache)
    y, state = _selective_scan(self, nn.silu(self.conv1d(x)), A, state_cache, _mamba_norms, dtype)
    return self.out_proj(swiglu(z, y)), (x[:, -keep:], state)


@_from_two_tokens(jamba.JambaMambaMixer.ssm_step, lambda self, x, *_, **__: x.shape[1])
def jamba_scan(self, x, A, state=None):
    """y [B, L, D] and the state [B, D, N] of JambaMambaMixer."""
    return _selective_scan(self, x, A, state, _jamba_norms, x.dtype)


@_from_two_tokens(bailing_moe_linear.recurrent_gla, lambda q, *_, **__: q.shape[2])
def recurrent_gla(q, k, v, g, scale, h=None):
    """y [B, H, L, Dv] of q and k [B, H, L, Dk], v [B, H, L, Dv] and one log decay a head, g [H]; the state
    [B, H, Dk, Dv]."""
    dtype = _result_type(q, h)
    q, k, v = (mx.swapaxes(x, 1, 2) for x in (q, k, v))
    decay = mx.broadcast_to(mx.exp(g.astype(mx.float32)), v.shape[:3])
    y, state = get("gla")(q, k, v, decay, initial_state=_single(h), scale=scale, return_state=True)
    return mx.swapaxes(y, 1, 2).astype(dtype), state.astype(dtype)


def _selective_scan(block, x, A, state, norms, dtype):
    """Mamba's scan of x [B, L, D] with the projections of a block, and its state in a dtype."""
    rank, size = block.time_step_rank, block.ssm_state_size
    delta, B, C = norms(block, *mx.split(block.x_proj(x), [rank, rank + size], axis=-1))
    y, final = get("selective_scan")(
        x,
        block.dt_proj(delta),
        A,
        B,
        C,
        D=block.D,
        initial_state=_single(state),
        delta_softplus=True,
        return_state=True,
    )
    return y.astype(mx.result_type(dtype, block.D.dtype)), final.astype(dtype)


def _mamba_norms(block, *projected):
    """Falcon-Mamba norms what it projects, without weights."""
    return [mx.fast.rms_norm(x, None, block.args.mixer_rms_eps) for x in projected] if block.use_bcdt_rms else projected


def _jamba_norms(block, delta, B, C):
    return block.dt_layernorm(delta), block.b_layernorm(B), block.c_layernorm(C)


def _only(mask, *arrays):
    """`arrays` with 0 for what padding holds: even a NaN times 0, forward or backward, would reach the valid steps."""
    return [_where(mask, x, 0) for x in arrays]


def _where(mask, x, other):
    """`x` [B, L, ...] where `mask` [B, L] holds, and `other`, a number, elsewhere."""
    return mx.where(mask.reshape(mask.shape + (1,) * (x.ndim - mask.ndim)), x, mx.array(other, x.dtype))


def _result_type(*arrays):
    """The dtype of what mlx-lm computes from arrays; one that is None has no part in it."""
    return mx.result_type(*(x for x in arrays if x is not None))


def _single(state):
    """The state as the ops take it."""
    return None if state is None else state.astype(mx.float32)


ROUTES = {
    "mlx_lm.models.gated_delta.gated_delta_update": gated_delta_update,
    "mlx_lm.models.ssm.ssm_update": ssm_update,
    "mlx_lm.models.recurrent_gemma.rnn_scan": rnn_scan,
    "mlx_lm.models.mamba.MambaBlock._process_sequence": mamba_sequence,
    "mlx_lm.models.jamba.JambaMambaMixer.ssm_step": jamba_scan,
    "mlx_lm.models.bailing_moe_linear.recurrent_gla": recurrent_gla,
}
