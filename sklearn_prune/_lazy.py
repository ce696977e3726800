"""Public names that are resolved on first use, so that an import costs nothing."""

import sys
from importlib import import_module


def lazy_names(package, module_of, subpackages=()):
    """Give a package its `__getattr__` and `__dir__`.

    Parameters
    ----------
    package : str
        Its `__name__`.
    module_of : dict of str to str
        Public names, and the module of the package that each is defined in.
    subpackages : sequence of str, default=()
        Subpackages that are imported on first use.

    Returns
    -------
    tuple of two callables
        Both functions.
    """

    def getter(name):
        if name in module_of:
            return getattr(import_module(f"{package}.{module_of[name]}"), name)
        if name in subpackages:
            return import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def names():
        return sorted({*vars(sys.modules[package]), *module_of, *subpackages})

    return getter, names
