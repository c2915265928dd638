"""`python -m tools.watch.check OP PART PARTS`: a share of a small parity run of one op, in a fresh process."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

# Of the batch: with 8 no array is so small that it reaches kernels in another address space.
BATCH = 8
LENGTHS = (1, 7, 130)


def main(name, part, parts):
    try:
        import loader
    except ValueError as error:
        # A ManifestError, which can only be named once the import has worked.
        return _say(error)
    if loader.backend() == "reference":
        _say("no engine can run kernels here; the message of `import loader` says what to install.")
        return 2
    if name not in loader.names():
        return _say(f"manifest.yaml has no op {name!r}.")
    return test(loader.get(name), int(part), int(parts))


def test(op, part, parts):
    """Run every `parts`th case from `part` on; print each that is wrong. Returns the exit status."""
    from test_reference import test_reference_is_the_recurrence

    import loader

    try:
        if part == 0:
            test_reference_is_the_recurrence(op.spec.name)
        return max([run(op, *case) for case in cases(op)[part::parts]], default=0)
    except (AssertionError, loader.LoaderError, RuntimeError) as error:
        # RuntimeError: of MLX, where a GPU's compiler meets a kernel at its first evaluation.
        return _say(error)


def cases(op):
    """(sizes, optional inputs, dtypes): every subset of the optional inputs, and all of them at every size.

    A save compiles each case anew: bfloat16 takes turns with float32 to spare some.
    """
    from oracle import option_sets

    *others, sizes = op.spec.examples
    subsets = option_sets(op)
    everything = subsets[-1]
    half = {array.name: "bfloat16" for array in op.spec.required if "bfloat16" in array.dtypes}
    found = [(sizes, present, {}) for present in dict.fromkeys((subsets[0], everything))]
    found += [(sizes, present, half) for present in subsets[1:-1] or [everything]]
    return found + [(other, everything, {}) for other in others]


def run(op, sizes, present, dtypes):
    """1 where a length of the case is wrong, which is printed, else 0."""
    from oracle import check, draw, poisoned

    for length in LENGTHS:
        try:
            check(poisoned(op.spec.name), draw(op, {"B": BATCH, "L": length, **sizes}, present, dtypes, seed=length))
        except AssertionError as error:
            where = " ".join(f"{name}{size}" for name, size in {"B": BATCH, "L": length, **sizes}.items())
            print(" ".join([where, *present, *dtypes.values()]) + f": {error}")
            return 1
    return 0


def _say(message):
    print(message)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
