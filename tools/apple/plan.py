"""The items of a run, in order: the most informative come first."""

from functools import partial

import loader
from loader.testing import BOUNDS

from . import compiled, parity, timing
from .session import Item, Skip

# Layers of public models, one for each kind of matrix kernel.
MODELS = ("qwen3-next", "mamba2-2.7b")
# The op whose kernels compile fastest, and a length that mlx-recurrence allows.
DRY_MODEL, _DRY_LENGTH = "recurrentgemma-9b", 96
# Steps of a parity run: one, some that fill no tile, and some chunks.
LENGTHS = (1, 100, 300)
_SMALL = {"D": 64, "K": 4, "H": 2, "Hk": 2, "G": 1, "Dh": 32, "Dk": 32, "Dv": 32, "N": 8}


def items(dry_run, names=()):
    """The items of a run. Raises ValueError for a name that is no op."""
    names = [loader.get(name).spec.name for name in names] or list(loader.names())
    made = [Item("export", name, partial(compiled.export, name)) for name in names]
    for part in (compiled.compile, compiled.pipelines):
        made += [Item(part.__name__, name, _dry if dry_run else partial(part, name)) for name in names]
    return made + (_dry_rest(names) if dry_run else _rest(names))


def _dry():
    raise Skip("a dry run leaves Apple's parts out")


def _rest(names):
    """Parity in every dtype, at every example of the manifest, and the timings."""
    made = []
    for name in names:
        sizes = loader.get(name).spec.examples or ({},)
        for dtype in BOUNDS:
            for i, length in enumerate(LENGTHS):
                run = partial(parity.run, name, dtype, length, sizes[i % len(sizes)], i != 0)
                made.append(Item("parity", f"{name} {dtype} L {length}", run))
    made += [Item("ops", name, partial(timing.op, name, 3, 512, {}, timing.ROUNDS)) for name in names]
    for model in MODELS:
        made += [
            Item("models", f"{model} L {n}", partial(timing.model, model, 1, n, 1.0, timing.ROUNDS))
            for n in (512, 4096)
        ]
    return made


def _dry_rest(names):
    """One item of each kind, at sizes that take seconds and are equal, so that kernels compile once."""
    made = []
    for name in names:
        run = partial(parity.run, name, "float32", _DRY_LENGTH, _SMALL, False)
        made.append(Item("parity", f"{name} float32 L {_DRY_LENGTH}", run))
    made += [Item("ops", name, partial(timing.op, name, 2, _DRY_LENGTH, _SMALL, 1)) for name in names]
    return made + [Item("models", DRY_MODEL, partial(timing.model, DRY_MODEL, 1, _DRY_LENGTH, 1 / 64, 1))]
