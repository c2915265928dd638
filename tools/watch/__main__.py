"""Watch the files of an op: each time one is saved, lint it, build the op again and test it against float64."""

import argparse
import sys
import time
from pathlib import Path

from . import cycle, files

ROOT = Path(__file__).resolve().parents[2]
POLL_SECONDS = 0.1


def main():
    parser = argparse.ArgumentParser(prog="python -m tools.watch", description=__doc__)
    parser.add_argument("op", metavar="OP", help="an op of manifest.yaml")
    parser.add_argument(
        "--once", action="store_true", help="one round now; exits 0 right, 1 wrong, 2 not all could run"
    )
    options = parser.parse_args()
    if options.op not in files.ops(ROOT):
        parser.error(
            f"there is no folder shaders/{options.op}; expected one of {', '.join(files.ops(ROOT))}. "
            f"`python -m tools.new {options.op} --like diagonal` makes it."
        )
    seen = files.snapshot(ROOT, options.op)
    outcome = cycle.run(ROOT, options.op, ())
    if options.once:
        sys.exit(outcome)
    try:
        watch(options.op, seen)
    except KeyboardInterrupt:
        print()


def watch(op, seen):
    """Run a round whenever a file differs from `seen`, forever."""
    print(f"watching {len(seen)} files of {op}; Ctrl-C ends it", flush=True)
    while True:
        time.sleep(POLL_SECONDS)
        now = files.snapshot(ROOT, op)
        saved = files.changed(seen, now)
        if saved:
            seen = now
            print(f"\n{time.strftime('%H:%M:%S')} saved {', '.join(saved)}", flush=True)
            cycle.run(ROOT, op, saved)


if __name__ == "__main__":
    main()
