"""Time ops against plain MLX and the packages they replace, in turns in one run, after checking their results.

With --model the op runs at the sizes of a public model, in bfloat16 with float32 gates, in turns with the functions
that MLX's users call today: mlx-lm's for that model, and MLX core's op if it has one."""

import argparse
import itertools
import json

from . import cases, growth, layers, measure, model_table, models, report


def main():
    options = parse()
    if options.layer or options.decode:
        return by_layer(options)
    if options.model:
        return by_model(options)
    names, dims, shapes = options.ops or cases.names(), dict(options.dims), dict(options.shapes)
    if options.growth is not None or options.plot:
        lengths = options.growth or growth.LENGTHS
        made = (dict(batch=options.batch[0], dims=dims, dtype=options.dtype[0], shapes=shapes), options.skip)
        results = [curve for name in names for curve in growth.run(name, lengths, options.rounds, *made)]
        if options.plot:
            growth.draw(options.plot, results, f"{options.dtype[0]}, B {options.batch[0]}, {results[0].engine}")
        table = growth.table
    else:
        results = []
        for name, batch, length, dtype in itertools.product(names, options.batch, options.length, options.dtype):
            case = cases.make(name, batch, length, dims, dtype, shapes).without(options.skip)
            cases.check(case)
            results += measure.run(case, options.rounds)
        table = report.table
    print(json.dumps([result.__dict__ for result in results], indent=2) if options.json else table(results))


def by_layer(options):
    print(layers.HEADER)
    for batch, length in itertools.product(options.batch, options.length):
        print(layers.run(options.model, batch, length, options.rounds, options.decode, options.dtype[0]), flush=True)


def by_model(options):
    print(model_table.HEADER)
    for name, length, batch, dtype in itertools.product(
        models.names(options.model), options.length, options.batch, options.dtype
    ):
        made = (name, length, options.scale, dtype, batch)
        print(model_table.run(*made, options.rounds, options.skip), flush=True)


def parse():
    parser = argparse.ArgumentParser(prog="python -m tools.bench", description=__doc__)
    add = parser.add_argument
    add("ops", nargs="*", metavar="OP", help=f"of {', '.join(cases.names())} (default: all)")
    add("--model", metavar="NAME", choices=("all", *models.MODELS), help=f"all or of {', '.join(models.MODELS)}")
    add("--layer", action="store_true", help="mlx-lm's whole layer of the model, patched and not")
    add("--decode", action="store_true", help="one token of that layer")
    add("--scale", type=float, default=1.0, help="the share of a model's heads or channels (default: 1.0)")
    add("--batch", type=int, nargs="+", help="B (default: 3, or 1 of a model)")
    add("--length", type=int, nargs="+", help="L (default: 512, or 8192 of a model)")
    add("--dims", type=size, nargs="*", default=[], metavar="NAME=SIZE", help=f"other dims (default: {cases.SIZES})")
    add("--shapes", type=size, nargs="*", default=[], metavar="NAME=INDEX", help="which of an input's shapes, from 0")
    add("--dtype", nargs="+", choices=("float32", "float16", "bfloat16"), help="(default: float32, or bfloat16)")
    add("--skip", nargs="*", default=[], metavar="WHO", help='contenders to leave out, as "plain MLX" of a large L')
    add("--rounds", type=int, default=15, help="turns that each takes (default: %(default)s)")
    add("--growth", type=int, nargs="*", metavar="L", help=f"time over L instead (default: {growth.LENGTHS})")
    add("--plot", metavar="FILE.png", help="draw the growth over L")
    add("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    if (options.layer or options.decode) and options.model not in layers.LAYERS:
        parser.error(f"--layer and --decode take --model of {', '.join(layers.LAYERS)}")
    defaults = ([1], [8192], ["bfloat16"]) if options.model else ([3], [512], ["float32"])
    for name, default in zip(("batch", "length", "dtype"), defaults):
        setattr(options, name, getattr(options, name) or default)
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
