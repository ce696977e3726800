"""What a comparison ran on, and the first thing in which two manifests differ."""

import platform
import sys
from functools import cache
from importlib.metadata import version

import joblib
import numpy as np
import scipy
import sklearn

import sklearn_prune
from sklearn_prune._describe_functions import has_version
from sklearn_prune.comparison.provenance.data import block_bounds

_IF_IMPORTED = ("torch", "skorch", "lightgbm", "xgboost")

MAX_SHOWN = 60  # characters of a value
_ABSENT = object()  # what a manifest does not hold
# Causes before effects; other keys come between these and _LAST.
_FIRST = (
    *("format", "environment", "data", "design", "estimators", "results"),
    *("python", "X", "y", "groups", "kind", "shape", "dtype", "columns", "parts", "blocks"),
    *("seed", "cv", "fold_seeds", "splits", "scoring", "train", "test"),
    *("rows", "mask", "predictions", "scores"),
)
_LAST = ("blas", "machine", "system", "threads", "controls", "sha256")
_HASHES = ("code", "fitted", "mask", "predictions", "rows", "sha256", "test", "train")
_TAGS = ("class", "function", "type", "array", "tensor")


def environment(descriptions=None):
    """Versions and the machine, as far as results depend on them.

    The versions of the packages that `descriptions` of estimators name are listed too.
    Without descriptions, those of torch, skorch, lightgbm and xgboost are if they are
    imported. "blas" lists the libraries for linear algebra. "threads" is always 1.

    Examples
    --------
    >>> from sklearn_prune.comparison.provenance.manifest import environment
    >>> here = environment()
    >>> here["threads"], "numpy" in here, "num_threads" in str(here)
    (1, True, False)
    """
    if descriptions is None:
        packages = {name for name in _IF_IMPORTED if name in sys.modules}
    else:
        packages = _packages_named(descriptions)
    required = (joblib, np, scipy, sklearn, sklearn_prune)
    versions = {module.__name__: module.__version__ for module in required}
    versions["numba"] = version("numba")  # which may not be imported yet
    for name in sorted(packages - versions.keys()):
        found = getattr(sys.modules.get(name), "__version__", None)
        if found is not None and has_version(name) and name not in sys.stdlib_module_names:
            versions[name] = str(found)
    return {
        "python": platform.python_version(),
        **versions,
        "machine": platform.machine(),
        "system": platform.system(),
        "blas": [dict(library) for library in _blas()],
        "threads": 1,
    }


@cache
def _blas():
    import scipy.linalg  # noqa: F401  (loads the library that fits use)
    from threadpoolctl import threadpool_info

    libraries = {
        (info["internal_api"], info["version"], info.get("architecture"))
        for info in threadpool_info()
        if info["user_api"] == "blas"
    }
    names = ("name", "version", "architecture")
    found = sorted(libraries, key=str)
    return tuple(tuple(zip(names, library, strict=True)) for library in found)


def _packages_named(description):
    """Top-level packages of the classes and functions in a description."""
    if isinstance(description, list):
        return set().union(*map(_packages_named, description))
    if not isinstance(description, dict):
        return set()
    found = set().union(*map(_packages_named, description.values()))
    for tag in ("class", "type", "function"):
        name = description.get(tag)
        if isinstance(name, str):
            found.add(name.partition(":")[0].partition(".")[0])
    return found


def first_difference(old, new):
    """The first thing in which two manifests differ, in a sentence, or None.

    Looked at in this order: the environment, the data, the design, the estimators, and
    the results fold by fold; of a fold the rows kept, the mask, the predictions, the
    scores and the controls. What comes later often follows from what comes first.

    Examples
    --------
    >>> from sklearn_prune.comparison.provenance.manifest import first_difference
    >>> old = {"environment": {"numpy": "2.4.6"}, "design": {"seed": 0}}
    >>> new = {"environment": {"numpy": "2.4.7"}, "design": {"seed": 1}}
    >>> first_difference(old, new)
    "environment.numpy was '2.4.6', is '2.4.7'"
    """
    if old == new:
        return None
    try:
        sentence = _difference("", old, new)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        sentence = "The manifests differ, and one has another form."
    return sentence.replace("\n", " ")


def _difference(path, before, after):
    """What differs in two descriptions of one value, or in two mappings or lists."""
    if path == "results" and (found := _in_folds(before, after)):
        return found
    if isinstance(before, list) and isinstance(after, list):
        return _in_lists(path, before, after)
    if not isinstance(before, dict) or not isinstance(after, dict):
        return _was_is(path, before, after)
    if any(before.get(tag) != after.get(tag) for tag in _TAGS):
        return _was_is(path, before, after)
    for key in _in_order(before, after):
        one, other = before.get(key, _ABSENT), after.get(key, _ABSENT)
        if one == other:
            continue
        both = isinstance(one, list) and isinstance(other, list)
        if both and key == "blocks":
            return _in_rows(path, before, after)
        if both and key == "dict":
            sides = [{format_value(name): entry for name, entry in x} for x in (one, other)]
            return _difference(path, *sides)
        if both and key in ("tuple", "list", "set"):
            return _in_lists(path, one, other, before, after)
        if key in _HASHES and isinstance(one, str) and isinstance(other, str):
            return f"{_join(path, key)} changed"
        return _difference(_join(path, key), one, other)
    return _was_is(path, before, after)


def _in_order(before, after):
    """Keys of either mapping, causes first."""

    def place(key):
        if key in _LAST:
            return 1000 + _LAST.index(key), key
        return _FIRST.index(key) if key in _FIRST else len(_FIRST), str(key)

    return sorted(before.keys() | after.keys(), key=place)


def _join(path, key):
    if path in ("", "data"):
        return key
    if path.endswith(":"):
        return f"{path} {key}"
    if path in ("estimators", "results"):
        return f"{path}[{key!r}]"
    return f"{path}.{key}" if key.isidentifier() else f"{path}[{key}]"


def _in_folds(before, after):
    """What differs in the first fold in which any of the variants differs."""
    shared = [
        name
        for name in _in_order(before, after)
        if isinstance(before.get(name), list) and isinstance(after.get(name), list)
    ]
    for fold in range(max((len(before[name]) for name in shared), default=0)):
        for name in shared:
            one, other = (side[name][fold : fold + 1] for side in (before, after))
            if one and other and one != other:
                return _difference(f"results[{name!r}], fold {fold}:", one[0], other[0])
    return None


def _in_rows(path, before, after):
    """Which rows differ in data of one shape."""
    changed = [a != b for a, b in zip(before["blocks"], after["blocks"], strict=True)]
    first = changed.index(True)
    end = changed.index(False, first) if False in changed[first:] else len(changed)
    n_rows = (before["shape"] or [1])[0]
    bounds = block_bounds(n_rows, len(changed))
    start, stop = bounds[first], bounds[end] - 1
    rows = f"row {start} of {n_rows} differs"
    return (
        f"{path}: {rows if start == stop else f'rows {start} to {stop} of {n_rows} differ'}"
    )


def _in_lists(path, before, after, described=None, other_described=None):
    """What differs in the first entry that does; plain lists are shown whole."""
    if all(map(_is_plain, (*before, *after))):
        shown = (before, after) if described is None else (described, other_described)
        return _was_is(path, *shown)
    if len(before) != len(after):
        return f"{path} had {len(before)} entries, has {len(after)}"
    position = [a != b for a, b in zip(before, after, strict=True)].index(True)
    one, other = before[position], after[position]
    if (name := _step_name(one)) is not None and name == _step_name(other):
        return _difference(f"{path}[{name!r}]", one["tuple"][-1], other["tuple"][-1])
    return _difference(f"{path}[{position}]", one, other)


def _step_name(entry):
    """Name of a step of a Pipeline, a tuple of name and estimator."""
    named = entry.get("tuple") if isinstance(entry, dict) else None
    is_step = isinstance(named, list) and len(named) == 2 and isinstance(named[0], str)
    return named[0] if is_step else None


def _was_is(path, before, after):
    path = path.removesuffix(":") or "The manifest"
    if before is _ABSENT:
        return f"{path} was not there, is {format_value(after)}"
    if after is _ABSENT:
        return f"{path} was {format_value(before)}, is not there"
    old, new = format_value(before), format_value(after)
    return f"{path} was {old}, is {new if new != old else 'another'}"


def format_value(value):
    """Write a described value as short as a sentence needs it."""
    text = _text(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def _text(value):
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, str) and value.lstrip("-").startswith("0x"):
        return repr(float.fromhex(value))  # a score
    match value:
        case {"float": str(text)}:
            return text
        case {"tuple": [entry]}:
            return f"({_text(entry)},)"
        case {"tuple": [*entries]}:
            return f"({', '.join(map(_text, entries))})"
        case {"dict": [*pairs]}:
            inside = [f"{_text(key)}: {_text(entry)}" for key, entry in pairs]
            return f"{{{', '.join(inside)}}}"
        case {"class": str(name)}:
            return f"{name.rpartition('.')[2]}(...)"
        case {"function": str(name)} | {"type": str(name)}:
            return name.rpartition(":")[2].rpartition(".")[2]
        case dict():
            entries = value.items()
            shown = [f"{key}: {_text(x) if _is_plain(x) else '...'}" for key, x in entries]
            return f"{{{', '.join(shown)}}}"
    return repr(value)


def _is_plain(value):
    """Whether a value holds no others."""
    return not isinstance(value, (dict, list))
