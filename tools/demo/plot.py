"""The loss curve as a picture."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402


def save(path: str, curve, unigram: float, bigram: float, title: str) -> None:
    """Write the losses of `curve` and the text's two entropies, all in bits per byte, to `path`."""
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    axes.plot(*zip(*curve.train), color="tab:blue", alpha=0.4, linewidth=0.8, label="train")
    axes.plot(*zip(*curve.held_out), color="tab:blue", marker="o", label="held-out")
    axes.axhline(unigram, color="tab:gray", linestyle=":", label=f"unigram entropy {unigram:.2f}")
    axes.axhline(bigram, color="tab:red", linestyle="--", label=f"bigram entropy {bigram:.2f}")
    axes.set(xlabel="bytes read", ylabel="bits per byte", ylim=(0, 8), title=title)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)
