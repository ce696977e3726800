"""The first thing in which two manifests differ, in a sentence."""

from sklearn_prune.comparison._describe_data import block_bounds
from sklearn_prune.comparison._difference_words import in_decimals, is_plain, show


class _Absent:
    """What a manifest does not hold."""


_ABSENT = _Absent()

_DATA = ("X", "y", "groups", "params")
_DESIGN = (
    "seed",
    "cv",
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
_TAGS = ("class", "function", "type", "array", "tensor", "shape", "dtype")
_SENTENCES = {
    "fitted": "was fitted otherwise",
    "code": "has other code",
    "sha256": "has other values",
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
        found = _name_difference(looks.get(section, _value), section, before, after)
        return found.replace("\n", " ")
    return None


def _name_difference(look, section, before, after):
    """Ask `look`; where a section is not of the form that it knows, say less."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return _was_is(section, before, after)
    for way in (look, _value):
        try:
            if sentence := way(section, before, after):
                return sentence
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            continue
    return f"{section} differs"


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
    texts = show(before), show(after)
    return f"{path} was {texts[0]}, is {texts[1] if texts[0] != texts[1] else 'another'}"


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
    described = isinstance(before, dict) and isinstance(after, dict)
    if described and ("sha256" not in before or "sha256" not in after):
        before, after = {"parts": before}, {"parts": after}
    if not described or before.get("kind") != after.get("kind"):
        return f"{name} was {_form(before)}, is {_form(after)}"
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


def _form(data):
    if data is _ABSENT:
        return "not there"
    if not isinstance(data, dict):
        return "not given" if data is None else show(data)
    return _KINDS.get(data.get("kind")) or f"an object of {data.get('dtype')}"


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
    names = []
    for name in _in_order(before, after, ()):
        one, other = before.get(name, _ABSENT), after.get(name, _ABSENT)
        if isinstance(one, list) and isinstance(other, list):
            names.append(name)
        elif one != other:
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
                one, other = in_decimals(float.fromhex(one), float.fromhex(other))
            except (TypeError, ValueError):
                return _was_is(scorer, one, other)
            return f"{scorer} was {one}, is {other}"
    return None


def _value(path, before, after):
    """What differs in two descriptions of one value, or in two mappings or lists."""
    if isinstance(before, list) and isinstance(after, list):
        return _entries(path, before, after) or _was_is(path, before, after)
    if not isinstance(before, dict) or not isinstance(after, dict):
        return _was_is(path, before, after)
    if any(before.get(tag) != after.get(tag) for tag in _TAGS):
        return _was_is(path, before, after)
    if not before.keys() & after.keys():
        return _was_is(path, before, after)
    for key in _in_order(before, after, ()):
        one, other = before.get(key, _ABSENT), after.get(key, _ABSENT)
        if one == other:
            continue
        both = one is not _ABSENT and other is not _ABSENT
        if both and key in _SENTENCES:
            return f"{path} {_SENTENCES[key]}"
        if both and key == "dict":
            return _pairs(path, one, other)
        if both and key in ("tuple", "list", "set"):
            return _entries(path, one, other) or _was_is(path, before, after)
        return _value(f"{path}.{key}", one, other)
    return None


def _pairs(path, before, after):
    sides = [{show(key): value for key, value in side} for side in (before, after)]
    for name in _in_order(*sides, ()):
        one, other = sides[0].get(name, _ABSENT), sides[1].get(name, _ABSENT)
        if one != other:
            return _value(f"{path}[{name}]", one, other)
    return None


def _entries(path, before, after):
    """What differs inside one entry; None where the lists had better be shown whole."""
    if len(before) != len(after) or all(map(is_plain, (*before, *after))):
        return None
    for position, (one, other) in enumerate(zip(before, after, strict=True)):
        if one == other:
            continue
        names = [_step_name(side) for side in (one, other)]
        if names[0] is None or names[0] != names[1]:
            return _value(f"{path}[{position}]", one, other)
        step, other_step = one["tuple"][1:], other["tuple"][1:]
        if len(step) == len(other_step) == 1:
            [step], [other_step] = step, other_step
        return _value(f"{path}[{names[0]!r}]", step, other_step)
    return None


def _step_name(entry):
    """Name of a step of a Pipeline, which is a tuple of name and estimator."""
    named = entry.get("tuple") if isinstance(entry, dict) else None
    return named[0] if named and isinstance(named[0], str) else None
