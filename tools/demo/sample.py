"""Text from the model, one byte at a time with its state carried along."""

import mlx.core as mx


def generate(model, prompt: bytes, length: int, temperature: float = 0.6) -> bytes:
    """`prompt` and `length` bytes more, each drawn from the logits of `model` after all before it."""
    if not prompt:
        raise ValueError("[demo] expected a prompt of at least 1 byte but got 0.")
    cache, drawn = model.make_cache(), []
    tokens = mx.array([list(prompt)])
    for _ in range(length):
        token = mx.random.categorical(model(tokens, cache)[:, -1] / temperature)
        drawn.append(token.item())
        tokens = token[:, None]
    return prompt + bytes(drawn)
