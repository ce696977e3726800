"""Descriptions of estimators and of what they are given, for manifests.

A description is made of what JSON has. It is the same in every process and on each run,
and holds no address, no path of a file of code and no time of day.
"""

import copyreg
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
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.metadata_routing import MetadataRequest

from sklearn_prune._describe_functions import (
    canonical_json,
    class_name,
    code_of_class,
    describe_class,
    describe_function,
    hash_json,
    is_function,
)
from sklearn_prune.comparison.provenance.data import (
    array_sha256,
    dtype_text,
    hash_data,
    is_column,
    is_frame,
    is_tensor,
    tensor_array,
)

MAX_DEPTH = 50  # of things in things; Python's own limit would depend on the caller
LONG_BYTES = 64
LONG_STATE = 2000  # characters; a longer state is given by its hash

# What records how a fit went and is read by no prediction; times are in it.
_RECORDS = {"report_", "history_", "callbacks_", "cv_results_", "refit_time_"}
# What `clone` takes along besides the parameters, and a result can depend on.
_CLONED = ("_sklearn_output_config",)


# What pickling calls to make an object of a class, before it restores the state.
_PLAIN_MAKERS = tuple(
    maker for maker in vars(copyreg).values() if isinstance(maker, types.FunctionType)
)


def describe(value):
    """Describe a value by what JSON has, the same in every process.

    Estimators are described by class and parameters. Their fitted state counts where
    `clone` keeps it: in a FrozenEstimator, and in what is no estimator itself, such as
    the arguments of a `partial`. Functions and classes are described by their name, and
    where their package has no version by their source, defaults and closure too.
    Generators of random numbers are described by their state. What is no plain value or
    list is a dict with a tag: "class", "function", "array", "dict", "tuple", "float32", ...

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn_prune.comparison.provenance.descriptions import describe
    >>> described = describe(Ridge(alpha=0.5))
    >>> described["class"], described["params"]["alpha"]
    ('sklearn.linear_model._ridge.Ridge', 0.5)
    >>> describe((1, float("nan")))
    {'tuple': [1, {'float': 'nan'}]}
    """
    return Describer()(value)


def digest(value):
    """SHA-256 of a value's description; of an array, memory layout does not count."""
    if isinstance(value, np.ndarray) and type(value) in (np.ndarray, np.memmap):
        return array_sha256(value, describe)
    return hash_json(describe(value))


def describe_data(X):
    """Hash rows as `hash_data` does; `describe` describes entries that are objects.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_prune.comparison.provenance.descriptions import describe_data
    >>> X = np.arange(6.0).reshape(3, 2)
    >>> described = describe_data(X)
    >>> described["shape"], described["dtype"], len(described["blocks"])
    ([3, 2], 'float64', 3)
    >>> describe_data(np.asfortranarray(X)) == described
    True
    """
    return hash_data(X, describe)


class Describer:
    """One walk through a value: remembers what it is inside of, and what it has seen."""

    def __init__(self):
        self.keeps_fit = False
        self._open = {}
        self._done = {}
        self._reached = math.inf

    def __call__(self, value):
        if type(value) in (types.NoneType, bool, int, str):
            return value
        return self.once(value, self.keeps_fit, lambda: self._describe(value))

    def once(self, value, aspect, compute):
        """Compute the description of one aspect of a value, unless it is known or begun."""
        key = (id(value), aspect)
        if key in self._done:
            return self._done[key][1]
        depth = len(self._open)
        if key in self._open:
            self._reached = min(self._reached, self._open[key])
            return {"again": depth - self._open[key]}
        if depth > MAX_DEPTH:
            return {"class": class_name(type(value)), "state": "too deep"}
        outside, self._reached = self._reached, math.inf
        self._open[key] = depth
        try:
            described = compute()
        except Exception:
            described = {"class": class_name(type(value)), "state": "unknown"}
        finally:
            del self._open[key]
        if self._reached >= depth:  # the same wherever it stands
            self._done[key] = (value, described)
        self._reached = min(outside, self._reached)
        return described

    def kept(self, value):
        """Describe a value that `clone` copies as it is, with what was fitted."""
        before, self.keeps_fit = self.keeps_fit, True
        try:
            return self(value)
        finally:
            self.keeps_fit = before

    def _describe(self, value):
        if isinstance(value, type):
            return describe_class(value, self)
        if isinstance(value, MetadataRequest):
            return {"requests": self(_requests(value))}
        if (handler := handler_for(value)) is not None:
            return handler(self, value)
        if is_function(value):
            return describe_function(value, self)
        if issparse(value):
            return {"sparse": self._data(value)}
        if is_tensor(value):
            array, dtype = tensor_array(value)
            return {
                "tensor": dtype,
                "shape": list(value.shape),
                "sha256": array_sha256(array, self.kept),
            }
        if is_frame(value) or is_column(value):
            return {"class": class_name(type(value)), **self._data(value)}
        if hasattr(value, "get_params"):
            return self._estimator(value)
        return self._object(value)

    def _data(self, value):
        described = hash_data(value, self.kept)
        return {key: entry for key, entry in described.items() if key != "blocks"}

    def _estimator(self, estimator):
        cls = type(estimator)
        keeps = self.keeps_fit or _clones_itself(cls)
        before, self.keeps_fit = self.keeps_fit, keeps
        try:
            params = estimator.get_params(deep=False)
            described = {
                "class": class_name(cls),
                "params": {
                    name: self(params[name])
                    for name in sorted(params)
                    if not name.startswith("_")
                },
            }
            own = getattr(estimator, "__dict__", {})
            fitted = _fitted(own, params) if keeps else {}
            if fitted:
                described["fitted"] = hash_json(self(fitted))
        finally:
            self.keeps_fit = before
        if code := code_of_class(cls, self):
            described["code"] = code
        if requests := _requests(own.get("_metadata_request")):
            described["requests"] = self(requests)
        for name in _CLONED:
            if own.get(name):
                described[name.lstrip("_")] = self(own[name])
        return described

    def _object(self, value):
        """Describe anything else by the state that pickling would store."""
        cls = type(value)
        described = {"class": class_name(cls)}
        if code := code_of_class(cls, self):
            described["code"] = code
        before, self.keeps_fit = self.keeps_fit, True
        try:
            state = self._state(value, cls)
        finally:
            self.keeps_fit = before
        if len(canonical_json(state)) > LONG_STATE:
            state = {"sha256": hash_json(state)}
        return described | state

    def _state(self, value, cls):
        if cls.__module__ == "itertools" or isinstance(value, types.GeneratorType):
            return {"state": "unknown"}
        try:
            reduced = value.__reduce_ex__(4)
        except Exception:
            own = getattr(value, "__dict__", None)
            return self._attributes(own) if own else {"state": "unknown"}
        if isinstance(reduced, str):
            return {"name": reduced}
        maker, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
        described = {}
        if maker not in (*_PLAIN_MAKERS, cls):
            described["made by"] = self(maker)
        known = (cls, object, None) if maker in _PLAIN_MAKERS else ()
        arguments = [entry for entry in arguments if not any(entry is one for one in known)]
        if arguments:
            described["args"] = [self(argument) for argument in arguments]
        if state is not None:
            described |= self._attributes(state)
        if items is not None:
            described["items"] = [self(item) for item in items]
        if pairs is not None:
            described["pairs"] = self(dict(pairs))
        return described

    def _attributes(self, state):
        if type(state) is dict and all(type(name) is str for name in state):
            return {"attributes": {name: self(state[name]) for name in sorted(state)}}
        return {"state": self(state)}


def _clones_itself(cls):
    """Whether a class says itself what a clone is, as FrozenEstimator does."""
    inherited = (None, BaseEstimator.__sklearn_clone__)
    return getattr(cls, "__sklearn_clone__", None) not in inherited


def _fitted(own, params):
    """What was learnt: all attributes but parameters and records of times."""
    return {
        name: entry
        for name, entry in own.items()
        if name not in params and name not in _RECORDS and not name.startswith("__")
    }


def _requests(request):
    """What an estimator asks of metadata routing, by method."""
    methods = vars(request) if request is not None else {}
    asked = {name: getattr(part, "requests", None) for name, part in methods.items()}
    return {name: requests for name, requests in asked.items() if requests}


def handler_for(value):
    """The function that describes a plain value; None if it is none."""
    return next((handler for cls, handler in _HANDLERS if isinstance(value, cls)), None)


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
        "sha256": array_sha256(array, describe.kept),
    }
    if type(array) not in (np.ndarray, np.memmap):
        described["class"] = class_name(type(array))
    if isinstance(array, np.ma.MaskedArray):
        described["mask"] = array_sha256(np.ma.getmaskarray(array), describe)
        described["sha256"] = array_sha256(array.filled(0), describe.kept)
    return described


def _dict(describe, value):
    entries = _entry_describer(describe, value)
    pairs = [[describe(key), entries(entry)] for key, entry in value.items()]
    pairs.sort(key=lambda pair: canonical_json(pair[0]))
    return _noting_class({"dict": pairs}, value)


def _list(describe, value):
    described = list(map(_entry_describer(describe, value), value))
    if type(value) is list:
        return described
    tag = "tuple" if isinstance(value, tuple) else "list"
    return _noting_class({tag: described}, value)


def _set(describe, value):
    described = sorted(map(_entry_describer(describe, value), value), key=canonical_json)
    return _noting_class({"set": described}, value)


def _is_derived(container):
    return type(container) not in (dict, list, tuple, set, frozenset)


def _entry_describer(describe, container):
    """How to describe the entries: `clone` goes into plain containers only."""
    return describe.kept if _is_derived(container) else describe


def _noting_class(described, container):
    if _is_derived(container):
        described["class"] = class_name(type(container))
    return described


def _bytes(describe, value):
    raw = bytes(value)
    if len(raw) > LONG_BYTES:
        return {"bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}
    return {"bytes": raw.hex()}


def _of_class(value, /, **rest):
    return {"class": class_name(type(value)), **rest}


def _random_state(describe, value):
    if value is check_random_state(None):  # numpy's own: other numbers in each process
        return _of_class(value, state="global")
    return _of_class(value, state=describe(value.get_state(legacy=False)))


_HANDLERS = [
    (enum.Enum, lambda _, value: _of_class(value, name=value.name or str(value.value))),
    (np.generic, _numpy_scalar),
    (float, lambda _, x: x if math.isfinite(x) else {"float": str(x)}),
    (complex, lambda describe, x: {"complex": [describe(x.real), describe(x.imag)]}),
    (np.ndarray, _array),
    (np.dtype, lambda _, value: {"dtype": dtype_text(value)}),
    ((dict, types.MappingProxyType), _dict),
    ((list, tuple), _list),
    ((set, frozenset), _set),
    ((bytes, bytearray, memoryview), _bytes),
    (
        (date, time, timedelta, timezone, Decimal),
        lambda _, value: _of_class(value, value=str(value)),
    ),
    (PurePath, lambda _, x: {"class": "pathlib.Path", "value": x.as_posix()}),
    (
        re.Pattern,
        lambda describe, x: {"pattern": describe(x.pattern), "flags": int(x.flags)},
    ),
    (types.ModuleType, lambda _, value: {"module": value.__name__}),
    (Memory, lambda _, value: _of_class(value)),  # where it stores changes no result
    (np.random.RandomState, _random_state),
    (
        np.random.Generator,
        lambda describe, x: _of_class(x, state=describe(x.bit_generator.state)),
    ),
    (
        (np.random.BitGenerator, np.random.SeedSequence),
        lambda describe, x: _of_class(x, state=describe(x.state)),
    ),
]
