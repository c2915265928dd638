"""Families of linear recurrences as calls of the ops: one function each, a page of code at most.

    from loader import recipes
    o = recipes.mlstm(q, k, v, i, f)                                            # differentiable
    o, state = recipes.mlstm(q, k, v, i, f, initial_state=state, return_state=True)
    o, state = recipes.mlstm.step(q, k, v, i, f, initial_state=state)           # one token, for decoding

Arrays are positional, time is axis 1, gates are in linear space. As the ops do, each takes `initial_state`, a float32
array or a tuple of them, `reset` [B, L] bool, which begins a sequence anew before such a step, and `return_state`.
docs/families.md tells which family is which call.
"""

from .delta import comba, delta_product, gdn2
from .gated import gsa, hgrn2, lightnet
from .linear import based, linear_attention, retention
from .log_linear import log_linear_attention
from .mamba3 import mamba3
from .mesa import mesa
from .rwkv import rwkv6, rwkv7
from .xlstm import mlstm

__all__ = [
    "based",
    "comba",
    "delta_product",
    "gdn2",
    "gsa",
    "hgrn2",
    "lightnet",
    "linear_attention",
    "log_linear_attention",
    "mamba3",
    "mesa",
    "mlstm",
    "retention",
    "rwkv6",
    "rwkv7",
]
