"""When compiled kernels run instead of numpy.

Importing numba takes as long as numpy needs for some millions of steps. It is therefore
used where it is imported already, where there is more to do than that, or on request.
"""

import sys
from functools import cache
from importlib import import_module

WORTH_AN_IMPORT = 5_000_000  # pairs of a row and a tree


@cache
def kernels(module):
    """A module of compiled kernels of this folder, or None where numba cannot run.

    numba refuses to compile where it has no folder to write to.
    """
    try:
        return import_module(f".{module}", __package__)
    except (ImportError, RuntimeError):
        return None


@cache
def is_installed(package):
    """Whether a package can be imported."""
    from importlib.util import find_spec

    return find_spec(package) is not None


def kernels_for(module, n_steps):
    """The kernels if they may run for so many steps, else None."""
    if sys.modules.get("numba") is not None:
        return kernels(module)
    if n_steps > WORTH_AN_IMPORT and is_installed("numba"):
        return kernels(module)
    return None
