import numpy as np


def selective_scan(
    u,
    delta,
    A,
    B,
    C,
    D=None,
    z=None,
    delta_bias=None,
    initial_state=None,
    reset=None,
    delta_softplus=False,
):
    delta = delta if delta_bias is None else delta + delta_bias
    delta = np.logaddexp(0, delta) if delta_softplus else delta
    h = np.zeros((u.shape[0], *A.shape)) if initial_state is None else initial_state
    y = np.empty_like(u)
    for t in range(u.shape[1]):
        if reset is not None:
            h = h * ~reset[:, t, None, None]
        gate = np.exp(delta[:, t, :, None] * A)
        h = gate * h + np.einsum("bd,bn->bdn", delta[:, t] * u[:, t], B[:, t])
        y[:, t] = np.einsum("bdn,bn->bd", h, C[:, t])
    y = y if D is None else y + D * u
    return (y if z is None else y * z / (1 + np.exp(-z))), h
