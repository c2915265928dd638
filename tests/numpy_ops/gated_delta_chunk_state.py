import numpy as np


def gated_delta_chunk_state(k, w, u, g, h0=None):
    batch, length, heads, values = u.shape
    S = np.zeros((batch, heads, values, w.shape[3])) if h0 is None else h0.copy()
    h_out, v_new = np.empty((batch, -(-length // 64), *S.shape[1:])), np.empty_like(u)
    for b, chunk, n in np.ndindex(batch, h_out.shape[1], heads):
        steps = slice(64 * chunk, 64 * chunk + 64)
        key, gate = k[b, steps, n * k.shape[2] // heads], g[b, steps, n]
        h_out[b, chunk, n] = S[b, n]
        v_new[b, steps, n] = u[b, steps, n] - w[b, steps, n] @ S[b, n].T
        weighted = v_new[b, steps, n] * np.exp(gate[-1] - gate)[:, None]
        S[b, n] = np.exp(gate[-1]) * S[b, n] + weighted.T @ key
    return h_out, v_new, S
