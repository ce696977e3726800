"""Canonical JSON and its hashes, and descriptions of functions and classes by their code.

Manifests and keys of caches hold versions of packages, so that the name of an importable
function or class of an installed package is enough. Functions and classes of other modules,
as of a script or a notebook, change without notice: there the source counts, with defaults
and closure values. So do the global functions, classes and constants that their code names,
and what the code of these names, at any depth. Keys of caches hold other global objects and
attributes of classes as well. What is looked up in another way, such as by `globals()` or
in files, does not count.
"""

import dis
import functools
import hashlib
import inspect
import json
import sys
import textwrap
import types

import numpy as np

_NO_SOURCE = (OSError, TypeError)
_TRUSTED = ("sklearn_prune", "sklearn", "numpy", "scipy", "joblib")
_CONSTANTS = (types.NoneType, bool, int, float, complex, str, bytes)
_CHANGES = ("add", "append", "clear", "extend", "insert", "pop", "setdefault", "update")


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
    """Whether a module belongs to Python or to an installed package with a version."""
    top = (module or "builtins").partition(".")[0]
    if top in ("__main__", "__mp_main__"):
        return False
    return top in sys.stdlib_module_names or version_of(module) is not None


def version_of(module):
    """The version of the installed package that a module belongs to, or None.

    A package that is used from the folder in which it is edited is not installed, except
    this one and what it stands on.
    """
    top = (module or "builtins").partition(".")[0]
    package = sys.modules.get(top)
    file = getattr(package, "__file__", None) or ""
    if top in _TRUSTED or "site-packages" in file or "dist-packages" in file:
        return getattr(package, "__version__", None)
    return None


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
    if names := _used_globals(function, describe):
        described["names"] = {name: describe(names[name]) for name in sorted(names)}
    return described


def _used_globals(function, describe):
    """Functions, classes and constants without a version that code names, by name.

    Those of modules without a version too, and not what the code itself changes. With
    `describe.exact`, other objects as well.
    """
    changed, found, namespace = set(), {}, function.__globals__
    for part in _codes_in(function.__code__):
        names = None
        for instruction in dis.get_instructions(part):
            name, operation = instruction.argval, instruction.opname
            if operation in ("STORE_GLOBAL", "DELETE_GLOBAL"):
                changed.add(name)
            elif operation in ("LOAD_GLOBAL", "LOAD_NAME") and name in namespace:
                names, value = (name,), namespace[name]
                found[name] = value
            elif names and operation in ("LOAD_ATTR", "LOAD_METHOD"):
                if name in _CHANGES:
                    changed.add(names[0])
                is_own = isinstance(value, types.ModuleType) and not has_version(
                    value.__name__
                )
                if not is_own or not hasattr(value, name):
                    names = None
                    continue
                names, value = (*names, name), getattr(value, name)
                found[".".join(names)] = value
            elif operation == "STORE_SUBSCR":
                changed |= {name for name in found if isinstance(found[name], dict)}
                names = None
            elif operation == "STORE_ATTR":
                changed |= {key for key in found if _has_attribute(found[key], name)}
                names = None
            elif operation not in ("CACHE", "PUSH_NULL", "PRECALL"):
                names = None
    return {
        name: value
        for name, value in found.items()
        if name not in changed
        and (
            _is_own_code(value)
            or _is_constant(value)
            or (_is_exact(describe) and _is_object(value))
        )
    }


def _is_exact(describe):
    return getattr(describe, "exact", False)


def _is_object(value):
    """Whether it is neither module nor class nor function."""
    return not isinstance(value, (types.ModuleType, type)) and not is_function(value)


def _has_attribute(value, name):
    """Whether an object that is no module, class or function has an attribute."""
    own = getattr(value, "__dict__", {})
    return _is_object(value) and (name in own or hasattr(type(value), name))


def _codes_in(code):
    """A code object and those of the functions inside it."""
    yield code
    for part in code.co_consts:
        if isinstance(part, types.CodeType):
            yield from _codes_in(part)


def _is_own_code(value):
    """Whether it is a class or function that no version tells all about."""
    if not isinstance(value, type) and not is_function(value):
        return False
    module = getattr(value, "__module__", None)
    return not (has_version(module) and _found_by_name(value))


def _is_constant(value):
    """Whether it is a number, text or array, or a container of these."""
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biufcmMSU"
    if type(value) in (tuple, list, set, frozenset):
        return all(map(_is_constant, value))
    if type(value) is dict:
        return all(_is_constant(part) for item in value.items() for part in item)
    return isinstance(value, (*_CONSTANTS, np.generic))


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

    Several lambdas can share the lines that count as their source. The file can be edited
    after the import: with `describe.exact`, the bytecode counts too.
    """
    source = None if function.__name__ == "<lambda>" else _source(function)
    if source is not None and not _is_exact(describe):
        return short_hash(source)
    return short_hash([source, _bytecode(function.__code__, describe)])


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
    members = sorted(vars(cls).items())
    functions = [part for _, member in members for part in _functions_in(member)]
    names, source, is_exact = {}, _source(cls), _is_exact(describe)
    for function in functions:
        names |= _used_globals(function, describe)
    described = [{name: describe(names[name]) for name in sorted(names)}]
    if is_exact:
        described += [_describe_python_function(part, describe) for part in functions]
    elif source is None:
        described += [_code_of_function(function, describe) for function in functions]
    if source is None or is_exact:  # what its methods count does not count
        changed = _changed_attributes(functions)
        described += [
            [name, describe(member)]
            for name, member in members
            if name not in changed
            and not name.startswith(("__", "_abc_"))
            and (
                not isinstance(member, _METHODS)
                if is_exact
                else isinstance(member, (tuple, *_CONSTANTS)) and _is_constant(member)
            )
        ]
    return [*described, source]


_METHODS = (
    types.FunctionType,
    property,
    staticmethod,
    classmethod,
    functools.cached_property,
)


def _changed_attributes(functions):
    """Names of attributes that code assigns to, or whose lists and dicts it changes."""
    changed, loaded, stores = set(), set(), False
    for part in (part for function in functions for part in _codes_in(function.__code__)):
        before = None
        for instruction in dis.get_instructions(part):
            name, operation = instruction.argval, instruction.opname
            if operation == "STORE_ATTR":
                changed.add(name)
            elif operation in ("LOAD_ATTR", "LOAD_METHOD"):
                if name in _CHANGES and before is not None:
                    changed.add(before)
                loaded.add(name)
            stores |= operation == "STORE_SUBSCR"
            if operation != "CACHE":
                before = name if operation == "LOAD_ATTR" else None
    return changed | loaded if stores else changed


def _source(value):
    """The source of a function or class, or None."""
    try:
        return textwrap.dedent(inspect.getsource(value))
    except _NO_SOURCE:
        return None


def _functions_in(member):
    """The Python functions of a method, property or other member of a class."""
    parts = [getattr(member, name, None) for name in ("fget", "fset", "func", "__func__")]
    return [part for part in (*parts, member) if isinstance(part, types.FunctionType)]
