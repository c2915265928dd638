"""Checks Metal kernels without Apple's compiler. `python -m tools.lint --help` says how."""
