"""The picture of docs/architecture.md: what an author writes, what the loader does with it, and what runs it."""

from . import svg

_FILES = (
    ("shaders/rglru/forward.metal", "y, final_state, tile_state"),
    ("shaders/rglru/backward.metal", "grad_a, grad_b, ..."),
    ("shaders/common/*.h", "what kernels share"),
    ("manifest.yaml", "inputs, steps, grids, gradients"),
    ("loader/reference.py", "the op in plain MLX"),
)
_STEPS = (
    (
        'loader.get("rglru")',
        ("manifest.py reads the YAML into spec.py's classes,", "source.py cuts each .metal file in header and body"),
    ),
    (
        "rglru(a, b)",
        (
            "call.py reads the arguments,",
            "plan.py binds B, L, D, checks shapes and dtypes,",
            "and makes a launch of every step; kept by shape",
        ),
    ),
    ("mx.custom_function", ("transforms.py gives the op its gradient,", "op.py runs the launches of a pass")),
)
_ENGINES = (
    ("metal", "Apple GPU", "mx.fast.metal_kernel"),
    ("cuda", "NVIDIA GPU", "mx.fast.cuda_kernel"),
    ("opencl", "x86-64 Linux CPU", "Intel's OpenCL runtime"),
    ("reference", "anywhere", "plain MLX operations"),
)


def draw():
    shapes, y = [svg.text(16, 26, "An author writes", "title"), svg.text(330, 26, "The loader", "title")], 40
    for name, words in _FILES:
        shapes += [svg.box(16, y, 250, 44, "white"), svg.text(28, y + 18, name), svg.text(28, y + 35, words, "faint")]
        y += 54
    shapes.append(svg.arrow((266, 172), (326, 172)))
    y = 40
    for i, (name, lines) in enumerate(_STEPS):
        height = 34 + svg.LINE * len(lines)
        shapes += [svg.box(330, y, 410, height), svg.text(342, y + 19, name, "title")]
        shapes += [svg.text(342, y + 19 + svg.LINE * (n + 1), words) for n, words in enumerate(lines)]
        if i < len(_STEPS) - 1:
            shapes.append(svg.arrow((535, y + height), (535, y + height + 20)))
        y += height + 22
    shapes.append(svg.text(804, 26, "An engine runs the kernels", "title"))
    y = 40
    for name, where, how in _ENGINES:
        shapes += [svg.box(804, y, 220, 56), svg.text(816, y + 18, name, "title"), svg.text(816, y + 34, where)]
        shapes += [svg.text(816, y + 50, how, "faint"), svg.arrow((740, 270), (770, 270), (770, y + 28), (800, y + 28))]
        y += 68
    return svg.document(1040, 324, "How an op runs", shapes)
