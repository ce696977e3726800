"""Descriptions of estimators and of what they are given, for manifests.

A description is made of what JSON has. It is the same in every process and on each run,
and holds no address, no path of a file of code and no time of day.
"""

import copyreg
import math
import types

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils.metadata_routing import MetadataRequest

from sklearn_prune.comparison._canonical import canonical_json, class_name, hash_json
from sklearn_prune.comparison._describe_code import (
    code_of_class,
    describe_class,
    describe_function,
    is_function,
)
from sklearn_prune.comparison._describe_data import (
    array_sha256,
    describe_data,
    is_column,
    is_frame,
    is_tensor,
    tensor_array,
)
from sklearn_prune.comparison._describe_values import find_way

__all__ = ["canonical_json", "describe", "describe_data", "digest"]

MAX_DEPTH = 50  # of things in things; Python's own limit would depend on the caller
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
    Generators of random numbers are described by their state.

    Parameters
    ----------
    value : object
        An estimator, splitter, scorer, function, array, or any other object.

    Returns
    -------
    None, bool, int, float, str, list or dict
        The description. What is no plain value or list is a dict with a tag: "class",
        "function", "array", "dict", "tuple", "float32", ...

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn_prune.comparison._describe import describe
    >>> described = describe(Ridge(alpha=0.5))
    >>> described["class"], described["params"]["alpha"]
    ('sklearn.linear_model._ridge.Ridge', 0.5)
    >>> describe((1, float("nan")))
    {'tuple': [1, {'float': 'nan'}]}
    """
    return Describer()(value)


def digest(value):
    """SHA-256 of a value's description, in hexadecimal digits.

    Parameters
    ----------
    value : object
        What `describe` takes. Of an array the values, shape and dtype count; its memory
        layout does not.

    Returns
    -------
    str
        64 digits.
    """
    if isinstance(value, np.ndarray) and type(value) in (np.ndarray, np.memmap):
        return array_sha256(value)
    return hash_json(describe(value))


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
        if (way := find_way(value)) is not None:
            return way(self, value)
        if is_function(value):
            return describe_function(value, self)
        if issparse(value):
            return {"sparse": _data(value)}
        if is_tensor(value):
            array, dtype = tensor_array(value)
            return {
                "tensor": dtype,
                "shape": list(value.shape),
                "sha256": array_sha256(array),
            }
        if is_frame(value) or is_column(value):
            return {"class": class_name(type(value)), **_data(value)}
        if hasattr(value, "get_params"):
            return self._estimator(value)
        return self._object(value)

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


def _data(value):
    """A description of data without its blocks."""
    return {key: entry for key, entry in describe_data(value).items() if key != "blocks"}


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
