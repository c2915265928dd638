import numpy as np


def rglru_gated(u, delta, A, initial_state=None, reset=None, sqrt_grad_limit=1000.0):
    A = A[:, None] if A.ndim == 1 else A
    h = np.zeros((u.shape[0], *A.shape)) if initial_state is None else initial_state
    y = np.empty_like(u)
    for t in range(u.shape[1]):
        if reset is not None:
            h = h * ~reset[:, t, None, None]
        power = delta[:, t, :, None] * np.log(A)
        h = np.exp(power) * h + np.sqrt(-np.expm1(2 * power)) * u[:, t, :, None]
        y[:, t] = h.sum(axis=-1)
    return y, h
