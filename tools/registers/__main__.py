"""python -m tools.registers [OP|FILE]: estimates the registers and memory that kernels need on an Apple GPU, without
one.

Every kernel of the manifest, in float32 and bfloat16, at heads of 64 and 128 and with all optional inputs, is
compiled as CUDA with matrices as on Metal: two numbers a lane, and products that are opaque to the compiler. The
registers that NVIDIA's compiler gives a thread estimate Apple's: see docs/registers.md. The command needs the extra
`nvrtc` and no GPU, and takes seconds for a kernel, and 10 minutes for all."""

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path

MANIFEST = Path(__file__).parents[2] / "manifest.yaml"


def main(argv=None):
    """The exit code: 0 if all kernels are within the limits, 1 if some are not, 2 if nothing was counted."""
    options = parse(argv)
    from loader.errors import LoaderError
    from tools import nvrtc

    from . import cases, count, report

    if nvrtc.folder() is None:
        print("[registers] CUDA's compiler is not installed; run: pip install '.[nvrtc]'", file=sys.stderr)
        return 2
    try:
        rows = count.count(cases.of(options.names, MANIFEST), report.progress)
    except (cases.NoSuchKernel, LoaderError, nvrtc.Refused) as error:
        print(f"[registers] {error}", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps([dataclasses.asdict(row) | {"problems": row.problems} for row in rows], indent=1))
    else:
        print(report.table(rows if options.all else report.worst(rows)))
    return 1 if any(row.problems for row in rows) else 0


def parse(argv):
    parser = argparse.ArgumentParser(
        "python -m tools.registers", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="OP|FILE", help="ops, or .metal files of a manifest (default: all)")
    parser.add_argument(
        "--all", action="store_true", help="a line for each set of constants, not for the worst of them"
    )
    parser.add_argument("--json", action="store_true", help="every row as JSON, with what passes the limits")
    return parser.parse_args(argv)


if __name__ == "__main__":
    # No kernel runs here, so the loader needs no engine.
    os.environ.setdefault("LOADER_BACKEND", "reference")
    sys.exit(main())
