"""Canonical JSON and its hashes, and descriptions of functions and classes by their code.

Manifests and keys of caches hold versions of packages, so that the name of an importable
function or class of a package is enough. Functions and classes of other modules, such as a
script or a notebook, change without notice: there the source counts, with defaults and
closure values. What their code calls does not count.
"""

import functools
import hashlib
import inspect
import json
import sys
import textwrap
import types

import numpy as np

_NO_SOURCE = (OSError, TypeError)


def canonical_json(thing):
    """Write `thing` as JSON in one way only: sorted keys, no spaces, ASCII.

    Parameters
    ----------
    thing : None, bool, int, float, str, list or dict
        What JSON has; `describe` makes it from anything.

    Returns
    -------
    str
        The text.

    Raises
    ------
    ValueError
        If it holds NaN or infinity, which `describe` writes as texts.
    TypeError
        If it holds what JSON has not.

    Examples
    --------
    >>> from sklearn_prune._describe_functions import canonical_json
    >>> canonical_json({"seed": 0, "folds": [1, None]})
    '{"folds":[1,null],"seed":0}'
    """
    return json.dumps(thing, sort_keys=True, separators=(",", ":"), allow_nan=False)


def hash_json(thing):
    """SHA-256 of the canonical JSON, 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(thing).encode()).hexdigest()


def short_hash(thing):
    """The first 16 digits of `hash_json`."""
    return hash_json(thing)[:16]


def class_name(cls):
    """Module and qualified name of a class."""
    return name_in_module(cls, ".")


def name_in_module(value, separator=":"):
    """Module and qualified name of a function or class."""
    module = getattr(value, "__module__", None) or "builtins"
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", "?")
    # what runs as a script has another name in the processes that it starts
    module = "__main__" if module == "__mp_main__" else module
    return f"{module}{separator}{name}"


def is_function(value):
    """Whether the value is described by name and code rather than by its state."""
    return (
        (inspect.isroutine(value) and hasattr(value, "__name__"))
        or isinstance(value, (functools.partial, np.ufunc))
        or _wrapped_function(value) is not None
        or _found_by_name(value)
    )


def has_version(module):
    """Whether a module belongs to Python or to a package that states its version."""
    top = (module or "builtins").partition(".")[0]
    if top in ("__main__", "__mp_main__"):
        return False
    return top in sys.stdlib_module_names or hasattr(sys.modules.get(top), "__version__")


def describe_function(function, describe):
    """Describe anything that is called; `describe` describes what it holds.

    `describe(value)` gives what JSON has, `describe.kept(value)` the same for what is
    copied as it is, and `describe.once(value, aspect, compute)` may remember a result.
    """
    if isinstance(function, functools.partial):
        return {
            "partial": describe(function.func),
            "args": [describe.kept(argument) for argument in function.args],
            "keywords": describe.kept(dict(function.keywords)),
        }
    if isinstance(function, types.FunctionType):
        return _describe_python_function(function, describe)
    owner = getattr(function, "__self__", None)
    if owner is not None and not isinstance(owner, types.ModuleType):
        return {"method": function.__name__, "of": describe.kept(owner)}
    inner = _wrapped_function(function)
    if inner is None or (_found_by_name(function) and has_version(function.__module__)):
        return {"function": name_in_module(function)}
    return {"class": class_name(type(function)), "wraps": describe(inner)}


def _wrapped_function(value):
    """The Python function behind a cache, a vectorized or a compiled function."""
    if isinstance(value, type):
        return None
    own = getattr(value, "__dict__", {})
    for name in ("__wrapped__", "py_func"):
        inner = own.get(name) if isinstance(own, dict) else None
        if isinstance(inner, types.FunctionType):
            return inner
    return None


def _found_by_name(value):
    """Whether importing the module and name that a callable states gives it back."""
    if not callable(value) or not isinstance(getattr(value, "__qualname__", None), str):
        return False
    found = sys.modules.get(getattr(value, "__module__", None))
    for part in value.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is value


def _describe_python_function(function, describe):
    described = {"function": name_in_module(function)}
    if has_version(function.__module__) and _found_by_name(function):
        return described
    described["code"] = _code_of_function(function, describe)
    if function.__defaults__:
        described["defaults"] = [describe.kept(value) for value in function.__defaults__]
    if function.__kwdefaults__:
        described["keyword defaults"] = describe.kept(function.__kwdefaults__)
    if closure := _closure(function):
        described["closure"] = {name: describe.kept(closure[name]) for name in closure}
    return described


def _closure(function):
    closure = {}
    for name, cell in zip(
        function.__code__.co_freevars, function.__closure__ or (), strict=True
    ):
        if name != "__class__":  # for super()
            try:
                closure[name] = cell.cell_contents
            except ValueError:  # not assigned yet
                closure[name] = None
    return closure


def _code_of_function(function, describe):
    """Hash of the source; of the bytecode where there is none, and of lambdas.

    Several lambdas can share the lines that count as their source.
    """
    if function.__name__ != "<lambda>":
        try:
            return short_hash(textwrap.dedent(inspect.getsource(function)))
        except _NO_SOURCE:
            pass
    return short_hash(_bytecode(function.__code__, describe))


def _bytecode(code, describe):
    return [
        code.co_code.hex(),
        [code.co_names, code.co_varnames],
        [
            _bytecode(part, describe)
            if isinstance(part, types.CodeType)
            else describe(part)
            for part in code.co_consts
        ],
    ]


def describe_class(cls, describe):
    """Describe a class itself, not an object of it."""
    described = {"type": class_name(cls)}
    code = code_of_class(cls, describe)
    return described | ({"code": code} if code else {})


def code_of_class(cls, describe):
    """Hash of the source of a class, and of its ancestors that have no version either.

    Returns
    -------
    str or None
        The first 16 digits; None where the version of its package tells all.
    """
    if has_version(cls.__module__):
        return None
    bases = [base for base in cls.__mro__ if not has_version(base.__module__)]
    return short_hash(
        [
            describe.once(base, "code", lambda base=base: _code_of_class(base, describe))
            for base in bases
        ]
    )


def _code_of_class(cls, describe):
    try:
        return textwrap.dedent(inspect.getsource(cls))
    except _NO_SOURCE:  # of a notebook, say, where the methods may have one
        return [
            _code_of_function(function, describe)
            for _, member in sorted(vars(cls).items())
            for function in _functions_in(member)
        ]


def _functions_in(member):
    """The Python functions of a method, property or other member of a class."""
    parts = [getattr(member, name, None) for name in ("fget", "fset", "func", "__func__")]
    return [part for part in (*parts, member) if isinstance(part, types.FunctionType)]
