"""Descriptions of functions and classes by what they do.

A function is known by its name and by its bytecode and constants. Of packages with a
version that is enough, because manifests record versions. Functions and classes of other
modules, such as a script or a notebook, change without notice: there, what their code
calls and the constants that it reads count too, as far as they are global names. Globals
that can change in place, such as lists, and what is reached through a module, do not.
"""

import dis
import functools
import sys
import types

import numpy as np

from sklearn_prune.comparison._canonical import class_name, name_in_module, short_hash

_CONSTANTS = (types.NoneType, bool, int, float, complex, str, bytes, tuple, frozenset)
_METHODS_OF_C = (
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
_BUILTIN = (types.BuiltinFunctionType, types.MethodWrapperType)
_FUNCTIONS = (
    types.FunctionType,
    types.MethodType,
    functools.partial,
    np.ufunc,
    *_BUILTIN,
    *_METHODS_OF_C,
)


def is_function(value):
    """Whether the value is described by name and code rather than by its state."""
    return (
        isinstance(value, _FUNCTIONS)
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
    """Describe anything that is called; `describe` describes what it holds."""
    if isinstance(function, functools.partial):
        return {
            "partial": describe(function.func),
            "args": [describe.kept(argument) for argument in function.args],
            "keywords": describe.kept(dict(function.keywords)),
        }
    if isinstance(function, types.MethodType):
        return {
            "method": describe(function.__func__),
            "of": describe.kept(function.__self__),
        }
    if isinstance(function, _BUILTIN):
        owner = function.__self__
        if owner is None or isinstance(owner, types.ModuleType):
            return {"function": name_in_module(function)}
        return {"method": function.__name__, "of": describe.kept(owner)}
    if isinstance(function, _METHODS_OF_C):
        return {"function": f"{name_in_module(function.__objclass__)}.{function.__name__}"}
    if isinstance(function, np.ufunc):
        return {"function": f"ufunc:{function.__name__}", "arity": function.nargs}
    if isinstance(function, types.FunctionType):
        return _describe_python_function(function, describe)
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
    name = name_in_module(function)
    if has_version(function.__module__) and _found_by_name(function):
        return {"function": name, "code": _code_of_chain(function, describe)}
    described = {"function": name, "code": _code(function, describe)}
    if function.__defaults__:
        described["defaults"] = [describe.kept(value) for value in function.__defaults__]
    if function.__kwdefaults__:
        described["keyword defaults"] = describe.kept(function.__kwdefaults__)
    if closure := _closure(function):
        described["closure"] = {name: describe.kept(closure[name]) for name in closure}
    if reads := _globals_read(function, describe):
        described["reads"] = short_hash(reads)
    return described


def _code_of_chain(function, describe):
    """Hash of the code of a function and of those that it wraps."""
    codes = []
    while isinstance(function, types.FunctionType) and len(codes) < 9:
        codes.append(_code(function, describe))
        function = getattr(function, "__wrapped__", None)
    return short_hash(codes)


def describe_class(cls, describe):
    """Describe a class itself, not an object of it."""
    described = {"type": class_name(cls)}
    code = code_of_class(cls, describe)
    return described | ({"code": code} if code else {})


def code_of_class(cls, describe):
    """Hash of the methods and constants of a class whose package has no version.

    Returns
    -------
    str or None
        The first 16 digits; None where the version of its package tells all.
    """
    if has_version(cls.__module__):
        return None
    return short_hash(
        [
            describe.once(base, "code", lambda base=base: _class_body(base, describe))
            for base in cls.__mro__
            if not has_version(base.__module__)
        ]
    )


def _class_body(cls, describe):
    """Methods and constants of one class, without what the methods themselves set."""
    members = {
        name: member
        for name, member in vars(cls).items()
        if not name.startswith("__") or isinstance(member, types.FunctionType)
    }
    own_code = [
        nested
        for member in members.values()
        for function in _functions_in(member)
        for nested in _nested_code(function.__code__)
    ]
    changing = _names_in(own_code, "STORE_ATTR")
    return {
        name: _read(members[name], describe)
        for name in sorted(members)
        if name not in changing
    }


def _functions_in(member):
    """The Python functions of a method, property or other member of a class."""
    if isinstance(member, property):
        parts = [member.fget, member.fset, member.fdel]
    else:
        parts = [getattr(member, "func", None), getattr(member, "__func__", None), member]
    for part in parts:
        inner = part if isinstance(part, types.FunctionType) else _wrapped_function(part)
        if inner is not None:
            yield inner


def _read(value, describe):
    """Describe what code finds by a name: functions and constants, not what can change."""
    if isinstance(value, types.ModuleType):
        return {"module": value.__name__}
    if isinstance(value, type):
        return {"type": name_in_module(value), "code": code_of_class(value, describe)}
    if isinstance(value, _CONSTANTS):
        return describe(value)
    if isinstance(value, functools.partial):
        parts = [value.func, *value.args, *value.keywords.values()]
        return [sorted(value.keywords), *(_read(part, describe) for part in parts)]
    functions = list(_functions_in(value))
    if not functions:
        return {"class": name_in_module(type(value))}
    return [
        describe.once(part, "read", lambda part=part: _body(part, describe))
        for part in functions
    ]


def _body(function, describe):
    """What a function does, as far as it cannot change in place."""
    if has_version(function.__module__) and _found_by_name(function):
        return name_in_module(function)
    closure = _closure(function)
    defaults = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    return [
        _code(function, describe),
        [_read(value, describe) for value in defaults],
        {name: _read(closure[name], describe) for name in closure},
        _globals_read(function, describe),
    ]


def _closure(function):
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    closure = {}
    for name, cell in cells:
        try:
            closure[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            closure[name] = None
    closure.pop("__class__", None)  # for super()
    return closure


def _globals_read(function, describe):
    """The global names that code of a module without a version reads, described."""
    if has_version(function.__module__):
        return {}
    codes = list(_nested_code(function.__code__))
    names = _names_in(codes, "LOAD_GLOBAL", "LOAD_NAME") - _names_in(codes, "STORE_GLOBAL")
    known = function.__globals__
    return {name: _read(known[name], describe) for name in sorted(names & known.keys())}


def _nested_code(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _nested_code(constant)


def _names_in(codes, *operations):
    return {
        step.argval
        for code in codes
        for step in dis.get_instructions(code)
        if step.opname in operations
    }


def _code(function, describe):
    """Hash of bytecode and constants, without places in files and without docstring."""
    return short_hash(_describe_code(function.__code__, describe, function.__doc__))


def _describe_code(code, describe, docstring=None):
    constants = list(code.co_consts)
    if docstring is not None and constants and constants[0] is docstring:
        constants[0] = None
    return [
        code.co_code.hex(),
        getattr(code, "co_exceptiontable", b"").hex(),
        [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags],
        [code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars],
        [
            _describe_code(constant, describe)
            if isinstance(constant, types.CodeType)
            else describe(constant)
            for constant in constants
        ],
    ]
