"""A Metal grid as OpenCL launches: boxes of equal groups, because OpenCL knows no partial ones."""

import ctypes
import itertools
import math

from .library import check, library

# Where the ids hold the order: the w of `threads`.
_ORDER = 7
# Ids are int in the unit.
_LARGEST = 2**31 - 1


class Dispatch:
    """The launches of one grid and threadgroup.

    `whole_threads` is the threadgroup's shape where one box of whole simdgroups is all there is: then
    groups are (32, simdgroups). Else groups are linear; the unit derives its ids accordingly. `boxes`
    are (first group, groups, threads of a group).
    """

    def __init__(self, grid, threadgroup):
        if max(grid) > _LARGEST:
            raise ValueError(f"[opencl] expected a grid of at most {_LARGEST} threads an axis but got {tuple(grid)}.")
        nominal = tuple(min(t, g) for t, g in zip(threadgroup, grid))
        axes = []
        for g, t in zip(grid, nominal):
            parts = [(0, g // t, t), (g // t, 1, g % t)]
            axes.append([part for part in parts if part[1] and part[2]])
        boxes = [tuple(zip(*box)) for box in itertools.product(*axes)]
        whole = len(boxes) == 1 and math.prod(nominal) % 32 == 0
        self.whole_threads = nominal if whole else None
        self.boxes = boxes
        self._launches, before = [], 0
        for first, groups, threads in boxes:
            self._launches.append(self._launch(first, groups, threads, nominal, grid, before))
            before += math.prod(groups) * math.prod(threads)

    def _launch(self, first, groups, threads, nominal, grid, before):
        n = math.prod(threads)
        local = (32, n // 32, 1) if self.whole_threads else (n, 1, 1)
        ids = (ctypes.c_int * 16)(*first, before, *threads, 0, *nominal, 0, *grid, 0)
        sizes = (ctypes.c_size_t * 3)(*(g * n for g, n in zip(groups, local)))
        return ids, sizes, (ctypes.c_size_t * 3)(*local)

    def enqueue(self, handle, position, order=0):
        """Launch a kernel whose last argument, at `position`, is the dispatch; validation numbers its orders."""
        cl = library()
        for ids, sizes, local in self._launches:
            ids[_ORDER] = order
            check("clSetKernelArg", cl.clSetKernelArg(handle, position, ctypes.sizeof(ids), ids))
            status = cl.clEnqueueNDRangeKernel(cl.queue, handle, 3, None, sizes, local, 0, None, None)
            check("clEnqueueNDRangeKernel", status)
