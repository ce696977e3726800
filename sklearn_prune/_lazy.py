"""Imports on first use: names of packages, and optional libraries."""

import sys
from functools import cache
from importlib import import_module


def lazy_names(package, public=None, shared=None, subpackages=()):
    """Give a package its `__all__`, `__getattr__` and `__dir__`.

    Parameters
    ----------
    package : str
        Its `__name__`.
    public, shared : dict of str to str
        For each module of the package the names that it defines, separated by spaces.
        Shared names are for other parts of this package only.
    subpackages : sequence of str, default=()
        Public subpackages.
    """
    public, shared = (
        {name: module for module, names in table.items() for name in names.split()}
        for table in (public or {}, shared or {})
    )
    module_of = public | shared

    def getter(name):
        if name in module_of:
            found = getattr(import_module(f"{package}.{module_of[name]}"), name)
            return vars(sys.modules[package]).setdefault(name, found)
        if name in subpackages:
            return import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def names():
        return sorted({*vars(sys.modules[package]), *module_of, *subpackages})

    return [*sorted(public), *subpackages], getter, names


def import_or_raise(module, feature, *, extra):
    """Import a module, or raise ImportError that names the extra to install."""
    try:
        return import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise ImportError(
            f"{feature} needs {library}, which is not installed. "
            f'Type: pip install "sklearn-prune[{extra}]"',
            name=library,
        ) from error


@cache
def has(module):
    """Whether a module can be imported."""
    try:
        import_module(module)
    except ImportError:
        return False
    return True
