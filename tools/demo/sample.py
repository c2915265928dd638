"""Text from the model, one byte at a time with its state carried along."""

import mlx.core as mx


def generate(model, prompt: bytes, length: int, temperature: float = 0.6) -> bytes:
    """`prompt` and `length` bytes more, each drawn from the logits of `model.step`."""
    if not prompt:
        raise ValueError("[demo] expected a prompt of at least 1 byte but got 0.")
    state = model.initial_state(batch=1)
    for byte in prompt:
        logits, state = model.step(mx.array([byte]), state)
    drawn = []
    for _ in range(length):
        token = mx.random.categorical(logits / temperature)
        drawn.append(token.item())
        logits, state = model.step(token, state)
    return prompt + bytes(drawn)
