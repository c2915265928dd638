import numpy as np


def ssd(u, delta, B, C, A, initial_state=None, reset=None):
    batch, length, heads, channels = u.shape
    A = np.broadcast_to(A[:, None] if A.ndim == 1 else A, (heads, B.shape[3]))
    B, C = (np.repeat(x, heads // x.shape[2], axis=2) for x in (B, C))
    h = np.zeros((batch, heads, channels, B.shape[3])) if initial_state is None else initial_state
    y = np.empty_like(u)
    for t in range(length):
        if reset is not None:
            h = h * ~reset[:, t, None, None, None]
        gate = np.exp(delta[:, t, :, None] * A)
        drive = np.einsum("bh,bhd,bhn->bhdn", delta[:, t], u[:, t], B[:, t])
        h = gate[:, :, None] * h + drive
        y[:, t] = np.einsum("bhdn,bhn->bhd", h, C[:, t])
    return y, h
