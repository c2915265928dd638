"""The math library: every function in float, half and bfloat against float64."""

import math

import mlx.core as mx
import numpy as np
import pytest
from run import LANES, METAL, once, run, table, ulps

UNIT = np.linspace(-0.95, 0.95, LANES)
POSITIVE = np.linspace(0.05, 9.0, LANES)
WIDE = np.linspace(-7.3, 7.9, LANES)
FLOATS = [mx.float32, mx.float16, mx.bfloat16]
# The result is rounded once, so small floats miss the exact value by half a unit; float may use the CPU's 4.
BOUND = {mx.float32: 4.5, mx.float16: 0.51, mx.bfloat16: 0.51}

FUNCTIONS = {
    "acos(u)": np.arccos,
    "asin(u)": np.arcsin,
    "atan(w)": np.arctan,
    "atanh(u)": np.arctanh,
    "asinh(w)": np.arcsinh,
    "acosh(p + 1)": np.arccosh,
    "sin(w)": np.sin,
    "cos(w)": np.cos,
    "tan(u)": np.tan,
    "sinh(u)": np.sinh,
    "cosh(w)": np.cosh,
    "tanh(w)": np.tanh,
    "sinpi(u)": lambda x: np.sin(np.pi * x),
    "cospi(u)": lambda x: np.cos(np.pi * x),
    "tanpi(u * T(0.5))": lambda x: np.tan(np.pi * x),
    "exp(w)": np.exp,
    "exp2(w)": np.exp2,
    "exp10(u)": lambda x: 10.0**x,
    "log(p)": np.log,
    "log2(p)": np.log2,
    "log10(p)": np.log10,
    "sqrt(p)": np.sqrt,
    "rsqrt(p)": lambda x: 1 / np.sqrt(x),
    "fabs(w)": np.abs,
    "abs(w)": np.abs,
    "ceil(w)": np.ceil,
    "floor(w)": np.floor,
    "trunc(w)": np.trunc,
    "rint(w)": np.rint,
    "round(w)": lambda x: np.sign(x) * np.floor(np.abs(x) + 0.5),
    "fract(w)": lambda x: x - np.floor(x),
    "sign(w)": np.sign,
    "saturate(w)": lambda x: np.clip(x, 0, 1),
    "precise::exp(w)": np.exp,
    "fast::log(p)": np.log,
    "metal::precise::sqrt(p)": np.sqrt,
    "metal::fast::tanh(w)": np.tanh,
}
PAIRS = {
    "atan2(w, p)": np.arctan2,
    "copysign(p, w)": np.copysign,
    "fdim(w, u)": lambda x, y: np.maximum(x - y, 0),
    "fmax(w, p)": np.fmax,
    "fmin(w, p)": np.fmin,
    "max(w, u)": np.fmax,
    "min(w, u)": np.fmin,
    "fmod(w, p)": np.fmod,
    "pow(p, u)": np.power,
    "powr(p, u)": np.power,
    "divide(w, p)": np.divide,
    "step(u, w)": lambda e, x: (x >= e) * 1.0,
    "ldexp(w, 3)": lambda x: x * 8,
    "metal::max(w, p)": np.fmax,
}
TRIPLES = {
    "fma(w, u, p)": lambda w, u, p: w * u + p,
    "clamp(w, u, p)": lambda w, u, p: np.fmin(np.fmax(w, u), p),
    "mix(w, p, u)": lambda w, u, p: w + (p - w) * u,
    "max3(w, u, p)": lambda w, u, p: np.maximum(w, np.maximum(u, p)),
    "min3(w, u, p)": lambda w, u, p: np.minimum(w, np.minimum(u, p)),
    "median3(w, u, p)": lambda w, u, p: np.median([w, u, p], axis=0),
    "fmax3(w, u, p)": lambda w, u, p: np.maximum(w, np.maximum(u, p)),
    "fmin3(w, u, p)": lambda w, u, p: np.minimum(w, np.minimum(u, p)),
    "fmedian3(w, u, p)": lambda w, u, p: np.median([w, u, p], axis=0),
    "smoothstep(T(-1), T(1), u)": lambda w, u, p: ((u + 1) / 2) ** 2 * (3 - (u + 1)),
}


def rounded(x, dtype):
    return np.array(mx.array(x, dtype=mx.float32).astype(dtype).astype(mx.float32), np.float64)


def arguments(name, dtype):
    """The values that the letters of a probe stand for, as the kernel sees them."""
    u, p, w = (rounded(x, dtype) for x in (UNIT, POSITIVE, WIDE))
    p1, half_u = rounded(p + 1, dtype), rounded(u / 2, dtype)
    inner = name[name.rindex("(") :] if "T(" not in name else name
    if name in FUNCTIONS:
        return [p1 if "p + 1" in name else half_u if "T(0.5)" in name else {"u": u, "p": p, "w": w}[inner[1]]]
    if name in PAIRS:
        return [{"u": u, "p": p, "w": w}[x.strip()] for x in inner[1:-1].split(",") if x.strip() in "upw"]
    return [w, u, p]


@once
def results():
    """All functions of all types: one kernel a type."""
    found = {}
    for dtype in FLOATS:
        inputs = [mx.array(x, dtype=mx.float32).astype(dtype) for x in (UNIT, POSITIVE, WIDE)]
        setup = f"using T = {METAL[dtype]}; T u = a[i], p = b[i], w = c[i];"
        probes = {name: name for name in [*FUNCTIONS, *PAIRS, *TRIPLES]}
        found[dtype] = table(probes, *inputs, dtype=dtype, setup=setup)
    return found


@pytest.mark.parametrize("name", [*FUNCTIONS, *PAIRS, *TRIPLES])
def test_rounding(name):
    function = {**FUNCTIONS, **PAIRS, **TRIPLES}[name]
    for dtype in FLOATS:
        want = function(*arguments(name, dtype))
        # Cancellation in a sum of float products may cost more than the function itself.
        loose = 60 if dtype == mx.float32 and name[:3] in ("mix", "tan", "smo") else 0
        assert ulps(results()[dtype][name], want, dtype) <= BOUND[dtype] + loose, (name, dtype)


@once
def special():
    nan, inf = math.nan, math.inf
    x = np.array([nan, inf, -inf, 0.0, -0.0, 1e-42, -2.5, 3.5] * 4, np.float32)
    setup = "float x = a[i], whole, cosine; int e;"
    probes = {
        "isnan": "isnan(x)",
        "isinf": "isinf(x)",
        "isfinite": "isfinite(x)",
        "isnormal": "isnormal(x)",
        "signbit": "signbit(x)",
        "isordered": "isordered(x, 1.0f)",
        "isunordered": "isunordered(1.0f, x)",
        "max drops nan": "max(x, 1.0f)",
        "min drops nan": "metal::min(x, 1.0f)",
        "clamp drops nan": "clamp(x, -1.0f, 1.0f)",
        "saturate": "saturate(x)",
        "sign": "sign(x)",
        "modf": "modf(x, whole)",
        "modf whole": "(modf(x, whole), whole)",
        "frexp": "frexp(isfinite(x) ? x : 1.0f, e)",
        "frexp exponent": "(frexp(isfinite(x) ? x : 1.0f, e), e)",
        "sincos": "sincos(isfinite(x) ? x : 1.0f, cosine)",
        "sincos cosine": "(sincos(isfinite(x) ? x : 1.0f, cosine), cosine)",
        "ilogb": "ilogb(isnormal(x) ? x : 1.0f)",
        "nextafter": "nextafter(x, INFINITY)",
        "fract": "fract(x)",
        "select": "select(1.0f, 2.0f, isnan(x))",
        "all of the vector": "all(isfinite(float2(x, 1.0f)))",
        "isnan of half": "isnan(half(x))",
        "isinf of bfloat": "isinf(bfloat(x))",
    }
    return x, table(probes, x, setup=setup)


def safe(x):
    return np.where(np.isfinite(x), x, np.float32(1))


def expected():
    return {
        "isnan": np.isnan,
        "isinf": np.isinf,
        "isfinite": np.isfinite,
        "isnormal": lambda x: np.isfinite(x) & (np.abs(x) >= np.finfo(np.float32).tiny),
        "signbit": np.signbit,
        "isordered": lambda x: ~np.isnan(x),
        "isunordered": np.isnan,
        "max drops nan": lambda x: np.fmax(x, 1),
        "min drops nan": lambda x: np.fmin(x, 1),
        "clamp drops nan": lambda x: np.fmin(np.fmax(x, -1), 1),
        "saturate": lambda x: np.fmin(np.fmax(x, 0), 1),
        "sign": lambda x: np.where(np.isnan(x), 0, np.sign(x)),
        "modf": lambda x: np.modf(x)[0],
        "modf whole": lambda x: np.modf(x)[1],
        "frexp": lambda x: np.frexp(safe(x))[0],
        "frexp exponent": lambda x: np.frexp(safe(x))[1],
        "sincos": lambda x: np.sin(safe(x)),
        "sincos cosine": lambda x: np.cos(safe(x)),
        "ilogb": lambda x: np.floor(np.log2(np.abs(np.where(np.isfinite(x) & (np.abs(x) > 1e-37), x, 1)))),
        "nextafter": lambda x: np.nextafter(x, np.float32(np.inf)),
        "fract": lambda x: x - np.floor(x),
        "select": lambda x: np.where(np.isnan(x), 2, 1),
        "all of the vector": np.isfinite,
        "isnan of half": np.isnan,
        "isinf of bfloat": np.isinf,
    }


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", expected())
def test_special_values(name):
    x, found = special()
    want = expected()[name](x).astype(np.float32)
    known = ~np.isinf(x) if name == "fract" else slice(None)  # of an infinity it is not specified
    np.testing.assert_allclose(found[name][known], want[known], rtol=3e-7, atol=1e-45)


def test_constants():
    names = [
        "M_PI_F",
        "M_PI_2_F",
        "M_PI_4_F",
        "M_1_PI_F",
        "M_2_PI_F",
        "M_E_F",
        "M_LOG2E_F",
        "M_LOG10E_F",
        "M_LN2_F",
        "M_LN10_F",
        "M_SQRT2_F",
        "M_SQRT1_2_F",
        "M_2_SQRTPI_F",
    ]
    pi, e = math.pi, math.e
    want = [
        pi,
        pi / 2,
        pi / 4,
        1 / pi,
        2 / pi,
        e,
        math.log2(e),
        math.log10(e),
        math.log(2),
        math.log(10),
        math.sqrt(2),
        math.sqrt(0.5),
        2 / math.sqrt(pi),
    ]
    found = table(dict(zip(names, names)))
    np.testing.assert_array_equal([found[n][0] for n in names], np.array(want, np.float32))


def test_limits_with_names():
    want = {
        "FLT_MAX": np.finfo(np.float32).max,
        "FLT_MIN": np.finfo(np.float32).tiny,
        "FLT_EPSILON": 2.0**-23,
        "HALF_MAX": 65504,
        "HALF_MIN": 2.0**-14,
        "HALF_EPSILON": 2.0**-10,
        "BFLT_MAX": 3.3895313892515355e38,
        "BFLT_EPSILON": 2.0**-7,
        "MAXFLOAT": np.finfo(np.float32).max,
        "INFINITY": np.inf,
        "HUGE_VALF": np.inf,
        "HUGE_VALH": np.inf,
        "HUGE_VALBF": np.inf,
        "MAXHALF": 65504,
        "M_E_BF": 2.71875,
        "NAN": np.nan,
        "INT_MAX": 2.0**31,
        "UINT_MAX": 2.0**32,
        "CHAR_MIN": -128,
        "FLT_DIG": 6,
    }
    found = table({name: name for name in want})
    for name, value in want.items():
        np.testing.assert_array_equal(found[name][0], np.float32(value), err_msg=name)


def test_mlx_special_functions():
    x = np.linspace(-0.97, 3.0, LANES).astype(np.float32)
    names = {
        "log1p": "log1p(x)",
        "erf": "erf(x)",
        "expm1f": "expm1f(x)",
        "erfinv": "erfinv(clamp(x, -1.0f, 1.0f))",
        "log1p bfloat": "log1p(bfloat(x))",
        "hypot": "hypot(x, 2.0f)",
    }
    found = table(names, x, setup="float x = a[i];", header='#include "mlx/backend/metal/kernels/erf.h"\n')
    exact = x.astype(np.float64)
    np.testing.assert_allclose(found["log1p"], np.log1p(exact), rtol=1e-6)
    np.testing.assert_allclose(found["erf"], np.vectorize(math.erf)(exact), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found["expm1f"], np.expm1(exact), rtol=1e-6)
    np.testing.assert_allclose(found["hypot"], np.hypot(exact, 2), rtol=1e-6)
    inverse = np.array(mx.erfinv(mx.clip(mx.array(x), -1, 1)))
    np.testing.assert_allclose(found["erfinv"], inverse, rtol=1e-5, atol=1e-7)
    bfloat = rounded(x, mx.bfloat16)
    np.testing.assert_allclose(found["log1p bfloat"], np.log1p(bfloat), rtol=2**-8)


def test_erfinv_at_the_ends():
    x = np.array([0, 1, -1, 1.5, 0.9999999, -0.9999999, 1e-6, 1e-30] * 4, np.float32)
    found = run("out[i] = erfinv(a[i]);", x)
    np.testing.assert_array_equal(found[:4], [0, np.inf, -np.inf, np.nan])
    tail = 1 - float(x[4])
    np.testing.assert_allclose([math.erfc(found[4]), math.erfc(-found[5])], [tail, tail], rtol=1e-5)
    np.testing.assert_allclose(found[6:8], [8.8622693e-07, 8.8622693e-31], rtol=1e-6)
