"""The first thing in which two manifests differ, in a sentence."""

from sklearn_prune.comparison._describe_data import block_bounds

MAX_SHOWN = 60  # characters of a value


class _Absent:
    """What a manifest does not hold."""


_ABSENT = _Absent()

_DATA = ("X", "y", "groups", "params")
_DESIGN = (
    "seed",
    "fold_seeds",
    "splits",
    "scoring",
    "margins",
    "alpha",
    "chains",
    "controls",
    "baseline",
)
_FOLD = {
    "rows": "other rows were kept",
    "mask": "another mask",
    "predictions": "other predictions",
}
_KINDS = {
    "none": "not given",
    "array": "an array",
    "sparse": "a sparse matrix",
    "frame": "a data frame",
    "column": "a column",
    "list": "a list",
    "parts": "a mapping",
}


def first_difference(old, new):
    """Name the first thing in which two manifests of comparisons differ.

    Looked at in this order: the environment, the data, the design, the estimators, and
    the results fold by fold; of a fold the rows kept, the mask, the predictions, the
    scores and the controls. What comes later often follows from what comes first.

    Parameters
    ----------
    old, new : dict
        Manifests.

    Returns
    -------
    str or None
        A sentence, or None if they are equal.

    Examples
    --------
    >>> from sklearn_prune.comparison._difference import first_difference
    >>> old = {"environment": {"numpy": "2.4.6"}, "design": {"seed": 0}}
    >>> new = {"environment": {"numpy": "2.4.7"}, "design": {"seed": 1}}
    >>> first_difference(old, new)
    'environment.numpy was 2.4.6, is 2.4.7'
    """
    if old == new:
        return None
    if not isinstance(old, dict) or not isinstance(new, dict):
        return _was_is("the manifest", old, new)
    looks = {
        "format": _value,
        "environment": _environment,
        "data": _data,
        "design": _design,
        "estimators": _estimators,
        "results": _results,
    }
    for section in _in_order(old, new, (*looks, *_others(old, new, (*looks, "sha256")))):
        before, after = old.get(section, _ABSENT), new.get(section, _ABSENT)
        if before == after:
            continue
        if section == "sha256":
            return "sha256 differs although all else is equal: a manifest was edited"
        both = isinstance(before, dict) and isinstance(after, dict)
        found = looks.get(section, _value)(section, before, after) if both else None
        return found or _value(section, before, after)
    return None


def _others(old, new, known):
    return sorted((old.keys() | new.keys()) - set(known), key=str)


def _in_order(old, new, first):
    """Keys of either mapping, those named first before the rest."""
    return [*(key for key in first if key in old or key in new), *_others(old, new, first)]


def _was_is(path, before, after):
    if before is _ABSENT:
        return f"{path} was not there, is {show(after)}"
    if after is _ABSENT:
        return f"{path} was {show(before)}, is not there"
    return f"{path} was {show(before)}, is {show(after)}"


def _environment(path, before, after):
    last = ("blas", "machine", "system", "threads")
    versions = _others(before, after, last)
    for key in _in_order(before, after, ("python", *versions, *last)):
        one, other = before.get(key, _ABSENT), after.get(key, _ABSENT)
        if isinstance(one, str) and isinstance(other, str) and one != other:
            return f"{path}.{key} was {one}, is {other}"
        if one != other:
            return _value(f"{path}.{key}", one, other)
    return None


def _data(path, before, after):
    for name in _in_order(before, after, _DATA):
        one, other = before.get(name, _ABSENT), after.get(name, _ABSENT)
        if one != other:
            return _rows(name, one, other)
    return None


def _rows(name, before, after):
    """What differs in described data."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return _was_is(name, before, after)
    if "sha256" not in before or "sha256" not in after:
        before, after = {"parts": before}, {"parts": after}
    kinds = [_KINDS.get(side.get("kind"), side.get("dtype")) for side in (before, after)]
    if before.get("kind") != after.get("kind"):
        return f"{name} was {kinds[0]}, is {kinds[1]}"
    if before.get("shape") != after.get("shape"):
        shapes = [show({"tuple": side.get("shape") or []}) for side in (before, after)]
        return f"{name}: the shape was {shapes[0]}, is {shapes[1]}"
    if before.get("dtype") != after.get("dtype"):
        return f"{name}: the dtype was {before.get('dtype')}, is {after.get('dtype')}"
    if before.get("columns") != after.get("columns"):
        return _columns(name, before.get("columns") or [], after.get("columns") or [])
    ours, theirs = before.get("parts"), after.get("parts")
    if ours != theirs and isinstance(ours, dict) and isinstance(theirs, dict):
        for key in _in_order(ours, theirs, ()):
            one, other = ours.get(key, _ABSENT), theirs.get(key, _ABSENT)
            if one != other:
                return _rows(f"{name}[{key!r}]", one, other)
    return _blocks(name, before, after)


def _columns(name, before, after):
    for position, (one, other) in enumerate(zip(before, after, strict=False)):
        if one[0] != other[0]:
            return _was_is(f"{name}: column {position}", one[0], other[0])
        if one[1] != other[1]:
            label = f"{name}: the dtype of column {show(one[0])}"
            return f"{label} was {one[1]}, is {other[1]}"
    return f"{name}: there were {len(before)} columns, are {len(after)}"


def _blocks(name, before, after):
    ours, theirs = before.get("blocks") or [], after.get("blocks") or []
    changed = [one != other for one, other in zip(ours, theirs, strict=False)]
    if not any(changed) or len(ours) != len(theirs):
        return f"{name}: the values differ"
    first = changed.index(True)
    last = first
    while last + 1 < len(changed) and changed[last + 1]:
        last += 1
    n_rows = (before["shape"] or [1])[0]
    bounds = block_bounds(n_rows, len(ours))
    start, stop = bounds[first], bounds[last + 1] - 1
    if start == stop:
        return f"{name}: row {start} of {n_rows} differs"
    return f"{name}: rows {start} to {stop} of {n_rows} differ"


def _design(path, before, after):
    for key in _in_order(before, after, _DESIGN):
        one, other = before.get(key, _ABSENT), after.get(key, _ABSENT)
        if one == other:
            continue
        if key == "splits" and isinstance(one, list) and isinstance(other, list):
            return _splits(f"{path}.{key}", one, other)
        return _value(f"{path}.{key}", one, other)
    return None


def _splits(path, before, after):
    if len(before) != len(after):
        return f"{path}: there were {len(before)} folds, are {len(after)}"
    for fold, (one, other) in enumerate(zip(before, after, strict=True)):
        if one == other:
            continue
        if not isinstance(one, dict) or not isinstance(other, dict):
            return _was_is(f"{path}, fold {fold}", one, other)
        for part in _in_order(one, other, ("train", "test")):
            if one.get(part) != other.get(part):
                return f"{path}, fold {fold}: other {part} rows"
    return None


def _estimators(path, before, after):
    for name in _in_order(before, after, ()):
        one, other = before.get(name, _ABSENT), after.get(name, _ABSENT)
        if one != other:
            return _value(f"{path}[{name!r}]", one, other)
    return None


def _results(path, before, after):
    names = _in_order(before, after, ())
    for name in names:
        one, other = before.get(name, _ABSENT), after.get(name, _ABSENT)
        if one != other and not (isinstance(one, list) and isinstance(other, list)):
            return _value(f"{path}[{name!r}]", one, other)
    for fold in range(max((len(before[name]) for name in names), default=0)):
        for name in names:
            sides = [side[name][fold : fold + 1] for side in (before, after)]
            if sides[0] != sides[1] and all(sides):
                return _fold(f"{path}[{name!r}], fold {fold}", sides[0][0], sides[1][0])
    for name in names:
        if len(before[name]) != len(after[name]):
            counts = f"there were {len(before[name])} folds, are {len(after[name])}"
            return f"{path}[{name!r}]: {counts}"
    return None


def _fold(where, before, after):
    """What differs in one fold: causes before effects."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return _was_is(where, before, after)
    for key in _in_order(before, after, (*_FOLD, "scores", "controls")):
        one, other = before.get(key, _ABSENT), after.get(key, _ABSENT)
        if one == other:
            continue
        if key in _FOLD:
            scores = _scores(before.get("scores"), after.get("scores"))
            return f"{where}: {_FOLD[key]}" + (f" ({scores})" if scores else "")
        if key == "scores" and (scores := _scores(one, other)):
            return f"{where}: {scores}"
        if key == "controls" and isinstance(one, dict) and isinstance(other, dict):
            for control in _in_order(one, other, ()):
                sides = one.get(control, _ABSENT), other.get(control, _ABSENT)
                if sides[0] != sides[1]:
                    return _fold(f"{where}, control {control!r}", *sides)
        return _value(f"{where}: {key}", one, other)
    return None


def _scores(before, after):
    if not isinstance(before, dict) or not isinstance(after, dict):
        return None
    for scorer in _in_order(before, after, ()):
        one, other = before.get(scorer, _ABSENT), after.get(scorer, _ABSENT)
        if one != other:
            try:
                one, other = _in_decimals(float.fromhex(one), float.fromhex(other))
            except (TypeError, ValueError):
                return _was_is(scorer, one, other)
            return f"{scorer} was {one}, is {other}"
    return None


def _in_decimals(one, other):
    """Two numbers in as few digits as show that they differ, and at least four."""
    for digits in range(4, 18):
        texts = f"{one:.{digits}g}", f"{other:.{digits}g}"
        if texts[0] != texts[1]:
            break
    return texts


def _value(path, before, after):
    """What differs in two descriptions of one value."""
    if isinstance(before, list) and isinstance(after, list):
        return _entries(path, before, after)
    if not isinstance(before, dict) or not isinstance(after, dict):
        return _was_is(path, before, after)
    tags = ("class", "function", "type", "array", "tensor", "shape", "dtype")
    for tag in tags:
        if before.get(tag) != after.get(tag):
            return _was_is(path, before, after)
    for key in _in_order(before, after, ()):
        one, other = before.get(key, _ABSENT), after.get(key, _ABSENT)
        if one == other:
            continue
        if _ABSENT in (one, other):
            return _was_is(f"{path}.{key}", one, other)
        match key:
            case "dict":
                return _pairs(path, one, other)
            case "tuple" | "list":
                return _entries(path, one, other)
            case "fitted":
                return f"{path} was fitted otherwise"
            case "code" | "reads":
                return f"{path}: its code is another"
            case "sha256":
                return f"{path}: its values are others"
            case "params" | "closure" | "keywords" | "attributes":
                return _members(f"{path}.{key}", one, other)
        if isinstance(one, (dict, list)) and key in ("state", "partial", "method", "wraps"):
            return _value(f"{path}.{key}", one, other)
        return _was_is(path, before, after)
    return None


def _members(path, before, after):
    if not isinstance(before, dict) or not isinstance(after, dict):
        return _value(path, before, after)
    if "dict" in before and "dict" in after:
        return _value(path, before, after)
    for name in _in_order(before, after, ()):
        one, other = before.get(name, _ABSENT), after.get(name, _ABSENT)
        if one != other:
            return _value(f"{path}.{name}", one, other)
    return None


def _pairs(path, before, after):
    sides = [{show(key): value for key, value in side} for side in (before, after)]
    for name in _in_order(*sides, ()):
        one, other = sides[0].get(name, _ABSENT), sides[1].get(name, _ABSENT)
        if one != other:
            return _value(f"{path}[{name}]", one, other)
    return f"{path}: its keys are others"


def _entries(path, before, after):
    if len(before) != len(after) or all(map(_is_plain, (*before, *after))):
        return _was_is(path, before, after)
    for position, (one, other) in enumerate(zip(before, after, strict=True)):
        if one == other:
            continue
        names = [_step_name(side) for side in (one, other)]
        if names[0] is not None and names[0] == names[1]:
            path = f"{path}[{names[0]!r}]"
            return _entries(path, one["tuple"][1:], other["tuple"][1:])
        return _value(f"{path}[{position}]", one, other)
    return None


def _is_plain(value):
    return not isinstance(value, (dict, list))


def _step_name(entry):
    """Name of a step of a Pipeline, which is a tuple of name and estimator."""
    named = entry.get("tuple") if isinstance(entry, dict) else None
    return named[0] if named and isinstance(named[0], str) else None


def show(value):
    """Write a described value as short as a sentence needs it."""
    text = _text(value)
    return text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 1]}…"


def _text(value):
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if not isinstance(value, dict):
        return repr(value)
    match value:
        case {"float": text}:
            return text
        case {"tuple": [entry]}:
            return f"({_text(entry)},)"
        case {"tuple": entries}:
            return f"({', '.join(map(_text, entries))})"
        case {"set": entries} | {"list": entries}:
            return f"{{{', '.join(map(_text, entries))}}}"
        case {"dict": pairs}:
            inside = ", ".join(f"{_text(key)}: {_text(entry)}" for key, entry in pairs)
            return f"{{{inside}}}"
        case {"class": name, "value": text}:
            return f"{_last(name)}({text})"
        case {"class": name, "name": member}:
            return f"{_last(name)}.{member}"
        case {"class": name}:
            return f"{_last(name)}(...)"
        case {"function": name} | {"type": name}:
            return _last(name)
        case {"array": dtype, "shape": shape} | {"tensor": dtype, "shape": shape}:
            return f"an array of {dtype} of shape {_text({'tuple': shape})}"
    if len(value) == 1:
        [(kind, entry)] = value.items()
        return f"{kind}({_text(entry)})"
    return "another value"


def _last(name):
    return str(name).rpartition(":")[2].rpartition(".")[2]
