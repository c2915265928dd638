"""Times of ops beside mlx-recurrence and MLX core, and of models' sizes beside mlx-lm too."""

import dataclasses

from tools.bench import cases, measure, model_case, model_table

ROUNDS = 15


def op(name, batch, length, dims, rounds):
    """The rows of tools.bench for an op in float32, without plain MLX, which takes minutes a turn on a GPU."""
    case = cases.make(name, batch, length, dims, "float32").without([cases.PLAIN])
    cases.check(case)
    return [dataclasses.asdict(row) for row in measure.run(case, rounds)]


def model(name, batch, length, scale, rounds):
    """Median milliseconds of each contender and pass at the sizes of a public model, in bfloat16 with float32 gates,
    and whether its output equals ours."""
    case = model_case.make(name, length, scale, "bfloat16", batch)
    jobs = {(who, what): measure.job(case, f, what) for who, f in case.contenders.items() for what in measure.PASSES}
    times, peaks = measure.turns(jobs, range(rounds + 1))
    return [
        {
            "case": name,
            "who": who,
            "what": what,
            "milliseconds": 1e3 * times[who, what],
            "ratio": times[who, what] / times[cases.OURS, what],
            "peak_megabytes": peaks[who, what] / 2**20,
            "note": model_table.difference(case, who).strip(),
        }
        for who, what in jobs
    ]
