"""Reads the arguments of an op's call and fills in defaults; plan.py checks shapes and dtypes."""

import inspect

from .arguments import OPTIONS, check_array, shown
from .errors import suggest


class Reader:
    """Reads the arguments of one op's calls; the lookups that all calls share are done once."""

    def __init__(self, spec):
        self.name = spec.name
        self.inputs = tuple(array.name for array in spec.inputs)
        self.required = tuple(array.name for array in spec.required)
        self.known = tuple(thing.name for thing in (*spec.optional, *spec.options))
        self._options = tuple((option, self._value(option, option.default)) for option in spec.options)

    def read(self, arrays, keywords):
        """Inputs by name, in the manifest's order, and the options' values. Raises TypeError."""
        if len(arrays) != len(self.required):
            arrays, keywords = self._positions(arrays, keywords)
        given = dict(zip(self.required, arrays))
        for name, value in keywords.items():
            if name not in self.known:
                raise self._unknown(name)
            if value is not None:
                given[name] = value
        inputs = {name: given[name] for name in self.inputs if name in given}
        for name, x in inputs.items():
            check_array(self.name, name, x)
        return inputs, tuple(
            [self._value(o, given[o.name]) if o.name in given else default for o, default in self._options]
        )

    def _positions(self, arrays, keywords):
        """The required inputs in order, those passed by name at the end, and the other keywords."""
        named = self.required[len(arrays) :]
        missing = [name for name in named if name not in keywords]
        if missing or len(arrays) > len(self.required):
            for name in keywords:
                if name not in (*self.known, *named):
                    raise self._unknown(name)
            lacking = f"; {' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} missing" if missing else ""
            raise TypeError(
                f"[{self.name}] expected {len(self.required)} arrays ({', '.join(self.required)}) but got "
                f"{len(arrays) + len(named) - len(missing)}{lacking}."
            )
        others = {name: value for name, value in keywords.items() if name not in named}
        return (*arrays, *(keywords[name] for name in named)), others

    def _unknown(self, name):
        """The error about a keyword that the op does not take, or that a positional argument has bound already."""
        if name in self.required:
            return TypeError(f"[{self.name}] expected {name} once but got it both by position and by name.")
        known = (*self.required, *self.known)
        return TypeError(f"[{self.name}] has no keyword {name!r}.{suggest(name, known)} It takes {', '.join(known)}.")

    def _value(self, option, value):
        """The value of an option, as Python's own float, int or bool."""
        read, expected = OPTIONS[option.kind]
        found = read(value)
        if found is None:
            raise TypeError(f"[{self.name}] expected {option.name} to be a {expected} but got {shown(value)}.")
        return found


def signature(spec):
    """The call as `inspect` shows it."""
    Parameter = inspect.Parameter
    parameters = [Parameter(array.name, Parameter.POSITIONAL_OR_KEYWORD) for array in spec.required]
    keywords = {array.name: None for array in spec.optional} | {o.name: o.default for o in spec.options}
    keywords["return_state"] = False
    keywords |= {"return_states": False, "cu_seqlens": None} if spec.carries else {}
    parameters += [Parameter(n, Parameter.KEYWORD_ONLY, default=v) for n, v in keywords.items()]
    return inspect.Signature(parameters)
