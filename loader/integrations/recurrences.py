"""The recurrences of model packages by our ops: what routes share, whatever the package calls its arguments.

Results have the dtypes that the packages' loops give; states go into the ops as float32.
"""

from functools import wraps

import mlx.core as mx
from mlx import nn

from .. import backend, get
from ..masks import keep, valid
from ..scan import FLOATS

_MOST_STATES = 8
_FEWEST_STEPS = 64  # of a convolution: MLX's own takes less time for fewer


def from_two_tokens(theirs, length, op_on=()):
    """A route that leaves one token to `theirs`, save on the engines `op_on`; `length`, of the same arguments, is the
    number of tokens.

    One token has no loop, and a package's few operations or its own Metal kernel take no longer than an op.
    """

    def decorate(route):
        @wraps(route)
        def choose(*arguments, **keywords):
            if length(*arguments, **keywords) == 1 and backend() not in op_on:
                return theirs(*arguments, **keywords)
            return route(*arguments, **keywords)

        return choose

    return decorate


def unmasked_length(hidden_states, *rest, mask=None, lengths=None, **_):
    """The number of tokens of a call of `ssm_update`, or None where some of them may be padding."""
    padding = (*rest[8:], mask, lengths)
    return hidden_states.shape[1] if all(x is None for x in padding) else None


def gated_delta(q, k, v, g, beta, state, steps=0):
    """o [B, L, H, Dv] in q's dtype, the state [B, H, Dv, Dk], and the states after each of the first `steps`
    [B, steps, H, Dv, Dk], or None."""
    op, given, state = get("gated_delta"), (q, k, v, g, beta), single(state)
    outputs, states = [], []
    for start in range(0, steps, _MOST_STATES):
        part = slice(start, min(start + _MOST_STATES, steps))
        o, after = op(*(x[:, part] for x in given), initial_state=state, return_states=True)
        outputs.append(o)
        states.append(after)
        state = after[:, -1]
    if steps < q.shape[1]:
        o, state = op(*(x[:, steps:] for x in given), initial_state=state, return_state=True)
        outputs.append(o)
    return _joined(outputs).astype(q.dtype), state, _joined(states) if states else None


def _joined(parts):
    return parts[0] if len(parts) == 1 else mx.concatenate(parts, axis=1)


def ssd(hidden_states, A_log, B, C, D, dt, delta_of, state, mask, lengths):
    """y [B, L, H, Dh] and the state [B, H, Dh, N]; a step that `mask` [B, L] or `lengths` [B] leaves out leaves the
    state and gives 0. `delta_of` makes the step sizes of dt [B, L, H]."""
    mask = valid(mask, lengths, dt.shape[1])
    if mask is not None:
        hidden_states, B, C, dt = only(mask, hidden_states, B, C, dt)
    delta = delta_of(dt)
    if mask is not None:
        delta = keep(mask, delta, 0)
    decay = -mx.exp(A_log.astype(mx.float32))
    y, state = get("ssd")(hidden_states, delta, B, C, decay, initial_state=single(state), return_state=True)
    return y + hidden_states * D[:, None], state


def rglru(x, a, h0):
    """y [B, L, D] in x's dtype and the state [B, D]."""
    y, state = get("rglru")(mx.broadcast_to(a, x.shape), x, initial_state=single(h0), return_state=True)
    return y, state.astype(result_type(x, h0))


def gla(q, k, v, g, scale, h, mask=None):
    """y [B, H, L, Dv] and the state [B, H, Dk, Dv], float32, of q and k [B, H, L, Dk], v [B, H, L, Dv] and one log
    decay a head, g [H]; a masked step leaves the state and gives 0."""
    q, k, v = (mx.swapaxes(x, 1, 2) for x in (q, k, v))
    decay = mx.broadcast_to(mx.exp(g.astype(mx.float32)), v.shape[:3])
    if mask is not None:
        q, k, v = only(mask, q, k, v)
        decay = keep(mask, decay, 1)
    y, state = get("gla")(q, k, v, decay, initial_state=single(h), scale=scale, return_state=True)
    return mx.swapaxes(y, 1, 2), state


def gla_as_given(q, k, v, g, scale, h):
    """`gla` with y and the state in the dtype that q and h have together."""
    y, state = gla(q, k, v, g, scale, h)
    dtype = result_type(q, h)
    return y.astype(dtype), state.astype(dtype)


def rwkv7(r, w, k, v, a, b, state):
    """y [B, L, H, D] in r's dtype and the state [B, H, D, D]."""
    dtype = result_type(r, w, k, v, a, b, state)
    y, state = get("dplr")(r, k, v, a, b, w, initial_state=single(state), return_state=True)
    return y.astype(r.dtype), state.astype(dtype)


def mamba(block, x, conv_cache, state_cache, swiglu):
    """The whole sequence of a MambaBlock x [B, L, width] and its caches after it."""
    x, z = mx.split(block.in_proj(x), 2, axis=-1)
    past = block.conv_kernel_size - 1
    x = mx.pad(x, [(0, 0), (past, 0), (0, 0)]) if conv_cache is None else mx.concatenate([conv_cache, x], axis=1)
    A = -mx.exp(block.A_log)
    decayed = state_cache is not None or z.shape[1] > 1  # a first token has no state to decay
    dtype = result_type(x, A if decayed else None, state_cache)
    y, state = _selective_scan(block, nn.silu(block.conv1d(x)), A, state_cache, _mamba_norms, dtype)
    return block.out_proj(swiglu(z, y)), (x[:, -past:], state)


def jamba(block, x, A, state):
    """y [B, L, D] and the state [B, D, N] of a JambaMambaMixer."""
    return _selective_scan(block, x, A, state, _jamba_norms, x.dtype)


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
        initial_state=single(state),
        delta_softplus=True,
        return_state=True,
    )
    return y.astype(mx.result_type(dtype, block.D.dtype)), final.astype(dtype)


def _mamba_norms(block, *projected):
    """Falcon-Mamba norms what it projects, without weights."""
    return [mx.fast.rms_norm(x, None, block.args.mixer_rms_eps) for x in projected] if block.use_bcdt_rms else projected


def _jamba_norms(block, delta, B, C):
    return block.dt_layernorm(delta), block.b_layernorm(B), block.c_layernorm(C)


_conv1d = nn.Conv1d.__call__


def conv1d(self, x):
    """What nn.Conv1d makes of x: by `short_conv` if it is a long depthwise convolution without padding, as in front of
    a recurrence, on engines where that was measured to be faster."""
    weight, bias = self.weight, self.get("bias")
    arrays = [x, weight] if bias is None else [x, weight, bias]
    if backend() in ("cuda", "opencl") and _is_ours(self, arrays):
        op = get("short_conv")
        if op.engine.ready(arrays):
            return op(x, weight[..., 0].T, bias=bias)[:, weight.shape[1] - 1 :]
    return _conv1d(self, x)


def _is_ours(conv, arrays):
    """Whether `short_conv` takes the input, the weight and the bias of a convolution."""
    x, weight, *bias = arrays
    if x.ndim != 3 or weight.ndim != 3 or (conv.stride, conv.padding, conv.dilation) != (1, 0, 1):
        return False
    channels, taps, inputs = weight.shape
    depthwise = inputs == 1 and conv.groups == channels == x.shape[2] and all(b.shape == (channels,) for b in bias)
    long = 2 <= taps <= 8 and x.shape[1] - taps + 1 >= _FEWEST_STEPS
    return depthwise and long and x.dtype in FLOATS and all(array.dtype == x.dtype for array in arrays)


def only(mask, *arrays):
    """`arrays` with 0 for what padding holds: even a NaN times 0, forward or backward, would reach the valid steps."""
    return [keep(mask, x) for x in arrays]


def result_type(*arrays):
    """The dtype of what a package computes from arrays; one that is None has no part in it."""
    return mx.result_type(*(x for x in arrays if x is not None))


def single(state):
    """The state as the ops take it."""
    return None if state is None else state.astype(mx.float32)
