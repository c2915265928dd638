"""Train a byte-level language model of RG-LRU blocks on the help texts of CPython, through loader.get("rglru")."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

BATCH, LENGTH = 4, 128
PROMPT = b"The statement "


def main() -> None:
    options = parse()
    if options.backend:
        os.environ["LOADER_BACKEND"] = options.backend
    if options.devices > 1 and "MLX_RANK" not in os.environ:
        sys.exit(launch(options.devices, sys.argv[1:]))
    run(options.steps, options.seed, options.out, options.devices)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tools.demo", description=__doc__)
    parser.add_argument("--steps", type=positive, default=600, help="training steps (default: %(default)s)")
    parser.add_argument("--backend", help="LOADER_BACKEND for this run (default: the first that works)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, batches and sample (default: %(default)s)")
    parser.add_argument(
        "--devices",
        type=positive,
        default=1,
        help="processes that share the time axis of every window (default: %(default)s)",
    )
    parser.add_argument("--out", default="demo.png", help="picture of the loss curve (default: %(default)s)")
    options = parser.parse_args()
    if not Path(options.out).parent.is_dir():
        parser.error(f"--out: expected a folder that exists but got {options.out}")
    return options


def positive(argument: str) -> int:
    value = int(argument)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1 but got {value}")
    return value


def launch(devices: int, arguments: list[str]) -> int:
    """Run the demo as that many ranks on this machine, and return how they ended."""
    command = [Path(sys.executable).with_name("mlx.launch"), "-n", str(devices), "--backend", "ring", "--"]
    return subprocess.run([*command, sys.executable, "-m", "tools.demo", *arguments]).returncode


def run(steps: int, seed: int, out: str, devices: int) -> None:
    # Imported late: `loader` reads LOADER_BACKEND when it is imported.
    import mlx.core as mx

    import loader
    from tools.demo import plot, ratio, sample, text
    from tools.demo.model import Model
    from tools.demo.train import train

    group = mx.distributed.init(strict=devices > 1)
    mx.random.seed(seed)
    model = Model()
    corpus = text.load()
    training, held_out = text.split(corpus)
    unigram, bigram = text.entropies(corpus)
    if group.size() > 1:
        model.over_time(group)
    if group.rank() > 0:
        train(model, training, held_out, steps=steps, batch=BATCH, length=LENGTH, seed=seed, group=group)
        return
    print(f"backend   {loader.backend()}", flush=True)
    print(f"text      pydoc_data.topics, {len(corpus):,} bytes without repeats, every 16th block of 4 kB held out")
    print(f"model     {len(model.blocks)} RG-LRU blocks, {model.size():,} parameters", flush=True)
    if group.size() > 1:
        print(f"devices   {group.size()}, each with a piece of every window's time", flush=True)

    curve = train(model, training, held_out, steps=steps, batch=BATCH, length=LENGTH, seed=seed, group=group)
    loss = curve.held_out[-1][1]
    print(f"\n{'unigram entropy':20} {unigram:.3f} bits/byte")
    print(f"{'bigram entropy':20} {bigram:.3f} bits/byte")
    print(f"{'held-out loss':20} {loss:.3f} bits/byte, {verdict(loss, bigram)}")

    alone = Model()
    alone.update(model.parameters())
    print(f"\n{sample.generate(alone, PROMPT, 300).decode(errors='replace')}\n")

    shape = BATCH, LENGTH, model.hidden
    shader, plain = ratio.measure(loader.get("rglru"), *shape)
    print(f"rglru forward + backward at {shape}: {loader.backend()} {1e3 * shader:.2f} ms,", end=" ")
    print(f"plain MLX {1e3 * plain:.2f} ms, ratio {plain / shader:.1f}x")

    plot.save(out, curve, unigram, bigram, f"RG-LRU bytes, {loader.backend()} backend")
    print(f"loss curve in {out}")


def verdict(loss: float, bigram: float) -> str:
    if loss < bigram:
        return f"{bigram - loss:.3f} below the bigram entropy"
    return f"{loss - bigram:.3f} above the bigram entropy: more --steps"


if __name__ == "__main__":
    main()
