"""The names that an op's expressions may mention, and the values that are known at load."""

from dataclasses import dataclass, field, replace

from .errors import ManifestError, suggest
from .expression import Expression, Scope


@dataclass(frozen=True)
class Names:
    """The names an expression may mention: `numbers` directly, `arrays` through dtype(), ndim() and has().

    `values` are the numbers that are the same in every call: an expression of these alone is checked at load.
    """

    numbers: set | frozenset
    arrays: frozenset
    values: dict = field(default_factory=dict)

    def expression(self, value, text=None):
        """The expression that a value writes."""
        try:
            parsed = Expression(value.text() if text is None else text, value)
        except ValueError as error:
            if isinstance(error, ManifestError):
                raise
            raise value.error(str(error)) from None
        for name in sorted(parsed.names - self.numbers):
            known = ", ".join(sorted(self.numbers))
            raise value.error(f"{parsed}: no input binds {name!r}; known are {known}.{suggest(name, self.numbers)}")
        for name in sorted(parsed.arrays - self.arrays):
            raise value.error(f"{parsed}: {name!r} is no input.{suggest(name, self.arrays)}")
        self.fixed(parsed)
        return parsed

    def fixed(self, parsed, least=None):
        """The value of an expression that is the same in every call, checked as a size from `least` on if given;
        else None."""
        if parsed.arrays or not parsed.names <= self.values.keys():
            return None
        scope = {} if parsed.literal is not None else Scope(self.values, {}, {})
        return parsed(scope) if least is None else parsed.size(scope, least)

    def sizes(self, values, least=0):
        sizes = tuple(map(self.expression, values))
        for size in sizes:
            self.fixed(size, least)
        return sizes

    def triple(self, value):
        items = value.items()
        if len(items) != 3:
            raise value.error(f"expected three sizes but got {len(items)}")
        return self.sizes(items, least=1)

    def plus(self, constants):
        """These names and constants, `{name: expression}`."""
        values = {}
        for name, constant in constants.items():
            found = replace(self, values=values).fixed(constant)
            values |= {} if found is None else {name: found}
        return replace(self, numbers=self.numbers | constants.keys(), values=values)
