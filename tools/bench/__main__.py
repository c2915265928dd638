"""Time ops against plain MLX and the packages they replace: one run, taking turns, only what is right."""

import argparse
import json

from . import cases, measure, report


def main():
    options = parse()
    rows = []
    for name in options.ops or cases.names():
        case = cases.make(name, options.batch, options.length, options.dims, options.dtype)
        cases.check(case)
        rows += measure.run(case, options.rounds)
    if options.json:
        print(json.dumps([row.__dict__ for row in rows], indent=2))
    else:
        print(report.table(rows))


def parse():
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    parser.add_argument("ops", nargs="*", metavar="OP", help=f"of {', '.join(cases.names())} (default: all)")
    parser.add_argument("--batch", type=int, default=3, help="B (default: %(default)s)")
    parser.add_argument("--length", type=int, default=512, help="L (default: %(default)s)")
    parser.add_argument(
        "--dims", type=size, nargs="*", default=[], metavar="NAME=SIZE", help=f"other dims (default: {cases.SIZES})"
    )
    parser.add_argument("--dtype", default="float32", choices=("float32", "float16", "bfloat16"))
    parser.add_argument("--rounds", type=int, default=15, help="turns that each takes (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    for name in set(options.ops) - set(cases.names()):
        parser.error(f"there is no op {name!r}; expected one of {', '.join(cases.names())}")
    return options


def size(text):
    name, separator, value = text.partition("=")
    if not separator or not value.isdigit():
        raise argparse.ArgumentTypeError(f"expected NAME=SIZE but got {text!r}")
    return name, int(value)


if __name__ == "__main__":
    main()
