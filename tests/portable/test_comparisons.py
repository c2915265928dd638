"""Comparisons of vectors are vectors of bool, as Metal has them: true is 1 in a number, not -1."""

import mlx.core as mx
import numpy as np
from run import table

A = np.linspace(-2, 2, 32).astype(np.float32)
B = A[::-1].copy()
SETUP = "float4 p(a[i], b[i], 0, 1); float4 q = p.yxwz; half2 h = half2(p.xy); auto c = p < q; int3 n(i, 3, 7);"
PROBES = {
    "constructor": ("float4(p < q).x", A < B),
    "constructor of ints": ("int4(p >= q).y", B >= A),
    "cast": ("((float4)(p < q)).x", A < B),
    "static_cast": ("static_cast<float4>(p != q).x", A != B),
    "joined": ("float4((p < q) && (p > -1.0f)).x", (A < B) & (A > -1)),
    "auto": ("float4(c).y + 0.0f", B < A),
    "half": ("half2(h < h.yx).x", A.astype(np.float16) < B.astype(np.float16)),
    "ints": ("float3(n == int3(3, 3, 3)).x", np.arange(32) == 3),
    "scalar": ("float4(a[i] < b[i]).w", A < B),
    "select": ("select(float4(5), float4(6), p < q).x", np.where(A < B, 6, 5)),
    "any and all": ("float(any(p < q)) + 2 * float(all(p.xy == q.yx))", (A != A) | True | (A < B)),
    "a template in it": ("float4(max(p, q) > min(p, q)).x", A != B),
}


def test_comparisons():
    got = table({name: text for name, (text, _) in PROBES.items()}, mx.array(A), mx.array(B), setup=SETUP)
    for name, (_, want) in PROBES.items():
        if name != "any and all":
            np.testing.assert_array_equal(got[name], np.asarray(want, np.float32), err_msg=name)
    np.testing.assert_array_equal(got["any and all"], 1 + 2.0)
