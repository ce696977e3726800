"""Imports on first use: names of packages, and optional libraries."""

import sys
from dis import opname
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
        text = f"module {package!r} has no attribute {name!r}"
        if place := _public_place(package, name):
            text = f"{text}. Write: from {place} import {name}"
            if _is_imported_from(sys._getframe(1)):
                raise ImportError(f"cannot import name {name!r}: {text}", name=package)
        raise AttributeError(text)

    def names():
        return sorted({*vars(sys.modules[package]), *module_of, *subpackages})

    return [*sorted(public), *subpackages], getter, names


def _public_place(package, name):
    """The other package of ours that has the public name, or None."""
    root = import_module(package.partition(".")[0])
    if name.startswith("_") or package.count(".") > 1:
        return None
    places = [root.__name__, *(f"{root.__name__}.{part}" for part in root._SUBPACKAGES)]
    for place in places:
        if place != package and name in import_module(place).__all__:
            return place
    return None


def _is_imported_from(frame):
    """Whether the frame is at a ``from ... import``, which hides an AttributeError."""
    code = frame.f_code.co_code
    return opname[code[frame.f_lasti]] == "IMPORT_FROM"


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
