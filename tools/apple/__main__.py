"""python -m tools.apple: what only a Mac can tell of our kernels, in about 15 minutes, as two files to send back.

Every unit that MLX hands to Apple's compiler goes through it, each pipeline says how many threads it takes, every op
is compared with float64, and ops and layers of public models are timed beside what is there already: mlx-recurrence,
mlx-lm and MLX core. What fails is written down and the next thing begins; so is what is missing. Stop it with Ctrl-C
at any time: the files hold what was done by then.

With --dry-run, on any machine, all of it but Apple's parts, at small sizes: it shows that the command works.
"""

import argparse
import os
import sys
from pathlib import Path


def main(argv=None):
    """The exit code: 0 where everything that could be done here went well, else 1."""
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
