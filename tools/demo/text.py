"""The text of the demo: the English that every CPython carries as `help("topics")`."""

import pydoc_data.topics

import numpy as np


def load() -> bytes:
    """All topics, each paragraph once: topics quote one another, which would leak the held-out text into training."""
    paragraphs = "\n\n".join(pydoc_data.topics.topics.values()).split("\n\n")
    return "\n\n".join(dict.fromkeys(paragraphs)).encode()


def split(text: bytes, block: int = 4096, every: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Training and held-out bytes, each `[N]` uint8: one block in `every` is held out, so both are alike."""
    tokens = np.frombuffer(text, dtype=np.uint8)
    held_out = np.arange(len(tokens)) // block % every == every - 1
    return tokens[~held_out], tokens[held_out]


def entropies(text: bytes) -> tuple[float, float]:
    """Unigram H(x[t]) and bigram H(x[t] | x[t-1]) of the text's own counts, in bits per byte."""
    tokens = np.frombuffer(text, dtype=np.uint8).astype(np.int32)
    pairs = np.bincount(256 * tokens[:-1] + tokens[1:], minlength=256 * 256)
    first = pairs.reshape(256, 256).sum(axis=1)
    return _entropy(np.bincount(tokens)), _entropy(pairs) - _entropy(first)


def _entropy(counts: np.ndarray) -> float:
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log2(p)).sum())
