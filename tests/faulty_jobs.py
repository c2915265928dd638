"""Jobs for lint's pool that end their process, hang, or fail."""

import os
import time
from typing import NamedTuple


class Job(NamedTuple):
    """Does what its name says."""

    name: str

    def run(self):
        if self.name == "dies":
            os.abort()
        if self.name == "leaves":
            os._exit(3)
        if self.name == "hangs":
            time.sleep(60)
        if self.name == "raises":
            raise StopIteration
        return [self.name]
