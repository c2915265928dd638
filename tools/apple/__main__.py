"""python -m tools.apple: tests and times the kernels on a Mac in about 15 minutes, and writes two files to send back.

It compiles every unit that MLX hands to Apple's compiler, reads the threads that each pipeline allows, compares every
op with float64, and times ops and layers of public models in turns with mlx-recurrence, mlx-lm and MLX core. A failure,
or a missing program, goes into the report, and the run continues. Ctrl-C stops it at any time: the files hold the
results so far.

--dry-run does everything but Apple's parts at small sizes on any machine, to show that the command works.
"""

import argparse
import os
import sys
from pathlib import Path


def main(argv=None):
    """The exit code: 0 if every part that this machine can run succeeded, else 1."""
    options = parse(argv)
    if options.dry_run:
        os.environ.setdefault("LOADER_BUILD", "quick")
    from . import plan, session

    report = session.Report(Path(options.output), options.dry_run)
    try:
        session.run(plan.items(options.dry_run, options.ops), report)
    except KeyboardInterrupt:
        print("[apple] stopped; the files hold what was done", file=sys.stderr)
    print(f"[apple] {report.summary()}")
    print(f"[apple] please send back {report.json} and {report.markdown}")
    return 1 if report.failed else 0


def parse(argv):
    parser = argparse.ArgumentParser(
        "python -m tools.apple", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("ops", nargs="*", metavar="OP", help="ops to look at (default: all)")
    parser.add_argument("--dry-run", action="store_true", help="without Apple's parts and at small sizes, anywhere")
    parser.add_argument(
        "--output", default="apple-report", metavar="NAME", help="writes NAME.json and NAME.md (default: %(default)s)"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
