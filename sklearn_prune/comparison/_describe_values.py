"""Descriptions of plain values: numbers, containers, arrays, times, generators.

Each function takes the walk, which describes what a value holds, and the value.
"""

import enum
import hashlib
import math
import re
import types
from datetime import date, time, timedelta, timezone
from decimal import Decimal
from pathlib import PurePath

import numpy as np
from joblib import Memory
from sklearn.utils import check_random_state

from sklearn_prune.comparison._canonical import canonical_json, class_name
from sklearn_prune.comparison._describe_data import array_sha256, dtype_text

_LONG_BYTES = 64


def find_way(value):
    """The function that describes a plain value; None if it is none."""
    return next((way for cls, way in _WAYS if isinstance(value, cls)), None)


def _float(describe, value):
    return value if math.isfinite(value) else {"float": str(value)}


def _complex(describe, value):
    return {"complex": [describe(value.real), describe(value.imag)]}


def _numpy_scalar(describe, value):
    """Note the dtype where Python has no number of that kind."""
    if isinstance(value, (np.float64, np.int64, np.bool_, np.str_)):
        return describe(value.item())
    if isinstance(value, np.void):
        return _array(describe, np.asarray(value))
    if isinstance(value, (np.datetime64, np.timedelta64, np.longdouble)):
        return {dtype_text(value.dtype): str(value)}
    return {dtype_text(value.dtype): describe(value.item())}


def _array(describe, array):
    described = {
        "array": dtype_text(array.dtype),
        "shape": list(array.shape),
        "sha256": array_sha256(array),
    }
    if type(array) not in (np.ndarray, np.memmap):
        described["class"] = class_name(type(array))
    if isinstance(array, np.ma.MaskedArray):
        described["mask"] = array_sha256(np.ma.getmaskarray(array))
        described["sha256"] = array_sha256(array.filled(0))
    return described


def _dict(describe, value):
    entries = _way_into(describe, value)
    pairs = [[describe(key), entries(entry)] for key, entry in value.items()]
    pairs.sort(key=lambda pair: canonical_json(pair[0]))
    return _noting_class({"dict": pairs}, value)


def _list(describe, value):
    described = list(map(_way_into(describe, value), value))
    return described if type(value) is list else _noting_class({"list": described}, value)


def _tuple(describe, value):
    described = list(map(_way_into(describe, value), value))
    return _noting_class({"tuple": described}, value)


def _set(describe, value):
    described = sorted(map(_way_into(describe, value), value), key=canonical_json)
    return _noting_class({"set": described}, value)


def _is_derived(container):
    return type(container) not in (dict, list, tuple, set, frozenset)


def _way_into(describe, container):
    """How to describe the entries: `clone` goes into plain containers only."""
    return describe.kept if _is_derived(container) else describe


def _noting_class(described, container):
    if _is_derived(container):
        described["class"] = class_name(type(container))
    return described


def _bytes(describe, value):
    raw = bytes(value)
    if len(raw) > _LONG_BYTES:
        return {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    return {"bytes": raw.hex()}


def _pattern(describe, value):
    return {"pattern": describe(value.pattern), "flags": int(value.flags)}


def _as_text(describe, value):
    return {"class": class_name(type(value)), "value": str(value)}


def _path(describe, value):
    return {"class": "pathlib.Path", "value": value.as_posix()}


def _enum(describe, value):
    return {"class": class_name(type(value)), "name": value.name or str(value.value)}


def _by_class(describe, value):
    return {"class": class_name(type(value))}


def _random_state(describe, value):
    if value is check_random_state(None):  # numpy's own: other numbers in each process
        return {"class": class_name(type(value)), "state": "global"}
    state = describe(value.get_state(legacy=False))
    return {"class": class_name(type(value)), "state": state}


def _generator(describe, value):
    state = describe(value.bit_generator.state)
    return {"class": class_name(type(value)), "state": state}


def _seeds(describe, value):
    return {"class": class_name(type(value)), "state": describe(value.state)}


_WAYS = [
    (enum.Enum, _enum),
    (np.generic, _numpy_scalar),
    (float, _float),
    (complex, _complex),
    (np.ndarray, _array),
    (np.dtype, lambda describe, value: {"dtype": dtype_text(value)}),
    ((dict, types.MappingProxyType), _dict),
    (list, _list),
    (tuple, _tuple),
    ((set, frozenset), _set),
    ((bytes, bytearray, memoryview), _bytes),
    ((date, time, timedelta, timezone, Decimal), _as_text),
    (PurePath, _path),
    (re.Pattern, _pattern),
    (types.ModuleType, lambda describe, value: {"module": value.__name__}),
    (Memory, _by_class),  # where results are kept does not change them
    (np.random.RandomState, _random_state),
    (np.random.Generator, _generator),
    ((np.random.BitGenerator, np.random.SeedSequence), _seeds),
]
