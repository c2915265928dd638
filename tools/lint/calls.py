"""Which functions of a unit call which: where a call leads to a barrier, and where it hands on a thread's position."""

from .varying import Varying

# Whether a barrier is for the simdgroup only.
_BARRIERS = {"threadgroup_barrier": False, "simdgroup_barrier": True}
# A class may hold values of which some are the same for all threads.
_CLASSES = ("RECORD", "DEPENDENT")


def place(cursor):
    """Where a function lies: the instances of a template lie in one place."""
    return cursor.location.file and cursor.location.file.name, cursor.location.offset


class Calls:
    """The calls among functions, which are `bodies` by their ids. Positions are those that kernels of `source` get: a
    kernel that it includes has a file of its own. `self.bodies` has the first of each place."""

    def __init__(self, bodies, source):
        self._by_id, self._by_place = bodies, {}
        self._kernels = [function for function in source.functions if function.is_kernel]
        for body in bodies.values():
            self._by_place.setdefault(body.place, body)
        self.bodies = list(self._by_place.values())
        self._calls = {body.place: [self._call(*call) for call in body.calls] for body in self.bodies}
        self._reached = self._spread_barriers()
        self._varying = {in_simd: self._spread_positions(in_simd) for in_simd in (False, True)}

    def waits(self, body):
        """(call, whether it waits for the simdgroup only) of the barriers in a function and in what it calls."""
        for node, direct, to in self._calls[body.place]:
            for name in direct | self._reached.get(to, set()):
                yield node, _BARRIERS[name]

    def varying(self, body, in_simd):
        """The Varying of one of `self.bodies`."""
        return self._varying[in_simd][body.place]

    def _call(self, node, callee, id_):
        """(call, the barrier that it is, the place of the function)."""
        body = self._by_id.get(id_)
        return node, {node.spelling} & _BARRIERS.keys(), body.place if body else place(callee)

    def _spread_barriers(self):
        """{place: the barriers in a function and in what it calls}."""
        called = {at: {to for _, _, to in calls} & self._by_place.keys() for at, calls in self._calls.items()}
        reached = {at: set().union(*(direct for _, direct, _ in calls)) for at, calls in self._calls.items()}
        count = None
        while count != (count := sum(map(len, reached.values()))):
            for at, to in called.items():
                reached[at] |= set().union(*(reached[each] for each in to))
        return reached

    def _spread_positions(self, in_simd):
        """{place: the Varying of a function}, of parameters too that a caller gives a varying value. How threads part
        matters to functions with a barrier."""
        given, found, waiting = {at: frozenset() for at in self._by_place}, {}, list(self.bodies)
        while waiting:
            body = waiting.pop()
            varying = found[body.place] = Varying(body, in_simd, self._kernels, given[body.place])
            for node, _, to in self._calls[body.place] if varying.names else ():
                if self._reached.get(to):
                    more = given[to].union(_varying_arguments(node, varying, self._by_place[to]))
                    if more != given[to]:
                        given[to] = more
                        waiting.append(self._by_place[to])
        return found


def _varying_arguments(call, varying, called):
    """The numbers of the parameters that a call gives a value which differs between threads."""
    arguments = list(call.get_arguments())
    # The first argument of an operator is the object that has it.
    arguments = arguments[max(0, len(arguments) - len(called.parameters)) :]
    for i, argument in enumerate(arguments):
        if argument is not None and argument.type.get_canonical().kind.name not in _CLASSES and varying.has(argument):
            yield i
