import numpy as np


def rotlru(a, cos, sin, b, initial_state=None, reset=None):
    z, value = a * (cos + 1j * sin), b[..., ::2] + 1j * b[..., 1::2]
    h = np.zeros(value[:, 0].shape) if initial_state is None else initial_state[:, ::2] + 1j * initial_state[:, 1::2]
    y = np.empty_like(b)
    for t in range(b.shape[1]):
        if reset is not None:
            h = h * ~reset[:, t, None]
        h = z[:, t] * h + value[:, t]
        y[:, t, ::2], y[:, t, 1::2] = h.real, h.imag
    return y, np.stack([h.real, h.imag], axis=-1).reshape(b[:, 0].shape)
