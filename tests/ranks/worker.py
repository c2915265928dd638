"""One rank: runs a suite of tests/ranks by name and prints the result as a line of JSON."""

import importlib
import json
import sys
import warnings

import mlx.core as mx


def main(network, suite, *arguments):
    warnings.simplefilter("error")
    group = mx.distributed.init(strict=True, backend=network)
    print(json.dumps(importlib.import_module(f"ranks.{suite}").run(group, *arguments)), flush=True)


main(*sys.argv[1:])
