"""The routes that mlx-lm and mlx-vlm, whose models are copies of mlx-lm's, have in common."""

from mlx import nn

from . import recurrences
from .recurrences import from_two_tokens, unmasked_length


def shared_routes(ssm, recurrent_gemma, jamba, bailing_moe_linear, rwkv7):
    """{full name: route} of one package, whose modules these are."""
    compute_dt = ssm.compute_dt

    @from_two_tokens(ssm.ssm_update, unmasked_length, op_on=("cuda",))
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
        """y [B, L, H, Dh] and the state [B, H, Dh, N]; a step that `mask` [B, L] or `lengths` [B] leaves out leaves
        the state and gives 0."""

        def delta_of(dt):
            return compute_dt(dt, dt_bias, time_step_limit)

        return recurrences.ssd(hidden_states, A_log, B, C, D, dt, delta_of, state, mask, lengths)

    @from_two_tokens(recurrent_gemma.rnn_scan, lambda x, *_, **__: x.shape[1])
    def rnn_scan(x, a, h0):
        """y [B, L, D] in x's dtype and the state [B, D]."""
        return recurrences.rglru(x, a, h0)

    @from_two_tokens(jamba.JambaMambaMixer.ssm_step, lambda self, x, *_, **__: x.shape[1])
    def jamba_scan(self, x, A, state=None):
        """y [B, L, D] and the state [B, D, N] of JambaMambaMixer."""
        return recurrences.jamba(self, x, A, state)

    @from_two_tokens(bailing_moe_linear.recurrent_gla, lambda q, *_, **__: q.shape[2])
    def recurrent_gla(q, k, v, g, scale, h=None):
        """y [B, H, L, Dv] of q and k [B, H, L, Dk], v [B, H, L, Dv] and one log decay a head, g [H]; the state
        [B, H, Dk, Dv]."""
        return recurrences.gla_as_given(q, k, v, g, scale, h)

    @from_two_tokens(rwkv7.Rwkv7TimeMixing._wkv7, lambda self, r, *_, **__: r.shape[1])
    def wkv7(self, r, w, k, v, a, b, state):
        """y [B, L, H, D] in r's dtype and the state [B, H, D, D]."""
        return recurrences.rwkv7(r, w, k, v, a, b, state)

    return {
        f"{nn.Conv1d.__module__}.Conv1d.__call__": recurrences.conv1d,
        f"{ssm.__name__}.ssm_update": ssm_update,
        f"{recurrent_gemma.__name__}.rnn_scan": rnn_scan,
        f"{jamba.__name__}.JambaMambaMixer.ssm_step": jamba_scan,
        f"{bailing_moe_linear.__name__}.recurrent_gla": recurrent_gla,
        f"{rwkv7.__name__}.Rwkv7TimeMixing._wkv7": wkv7,
    }
