"""The steps of both passes as a mermaid flow chart: arrays between the kernels and sums that make them."""

from loader.spec import SumStep


def draw(variant):
    """The chart of a variant as Markdown. What forward saves is drawn once, and read by backward."""
    passes = [(title, steps) for title in ("forward", "backward") if (steps := getattr(variant, title))]
    lines = ["```mermaid", "flowchart TD"]
    for title, steps in passes:
        lines += [f"  subgraph {title}", *(f"    {_step(title, i, step)}" for i, step in enumerate(steps)), "  end"]
    edges = dict.fromkeys(edge for title, steps in passes for edge in _edges(title, steps))
    return "\n".join([*lines, *(f"  {edge}" for edge in edges), "```"])


def _step(title, number, step):
    return f'{title}{number}["{_label(step)}"]'


def _label(step):
    if isinstance(step, SumStep):
        return f"sum over axis {step.axis}"
    groups, threads = (" x ".join(size.text for size in sizes) for sizes in (step.groups, step.threads))
    return f"{step.kernel}<br/>groups {groups}<br/>threads {threads}"


def _edges(title, steps):
    for number, step in enumerate(steps):
        yield from (f"{_array(name)} --> {title}{number}" for name in step.reads)
        yield from (f"{title}{number} --> {_array(name)}" for name in step.makes)


def _array(name):
    return f"array_{name}([{name}])"
