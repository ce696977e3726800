"""What must not change: data, parameters, generators, threads, filters."""

import copy
import pickle
import random
import sys
import warnings
from types import BuiltinFunctionType, FunctionType

import numpy as np
from scipy.sparse import issparse

#: Times differ between two equal fits.
TIMES = {"_fit_seconds", "report_"}


def surroundings(estimator, problem):
    """A snapshot of all that a fit may touch and must leave as it was."""
    parts = {
        "X": _content(problem.X),
        "y": problem.y.tobytes(),
        "fit_params": {k: v.tobytes() for k, v in problem.fit_params.items()},
        "params": {k: repr(v) for k, v in estimator.get_params(deep=True).items()},
        "identities": {k: id(v) for k, v in estimator.get_params(deep=False).items()},
        "inner": {
            k: sorted(vars(v))
            for k, v in estimator.get_params(deep=True).items()
            if hasattr(v, "get_params")
        },
        "python": random.getstate(),
        "numpy": pickle.dumps(np.random.get_state()),
        "filters": list(warnings.filters),
        "errors": np.geterr(),
    }
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        parts["torch"] = torch.random.get_rng_state().numpy().tobytes()
        parts["threads"] = torch.get_num_threads()
    return parts


def assert_unchanged(before, after):
    """Two snapshots are equal, part by part."""
    for name, value in before.items():
        assert after[name] == value, name


def fitted_state(estimator):
    """A copy of what a fit has set, without what is measured in seconds."""
    parts = {k: v for k, v in vars(estimator).items() if k not in TIMES}
    return {k: v for k, v in parts.items() if k not in estimator.get_params(deep=False)}


def assert_same_answers(ours, theirs, within=0.0):
    """Two arrays or sparse matrices hold the same values, NaN where the other has it.

    Numbers may differ by `within` times the largest of them.
    """
    assert issparse(ours) == issparse(theirs)
    if issparse(ours):
        ours, theirs = ours.toarray(), theirs.toarray()
    if within and theirs.dtype.kind == "f":
        scale = np.abs(theirs[np.isfinite(theirs)]).max(initial=0.0)
        np.testing.assert_allclose(ours, theirs, rtol=0.0, atol=within * scale)
    else:
        np.testing.assert_array_equal(ours, theirs)


def assert_same_state(ours, theirs, where=""):
    """Two fitted states hold equal values, at any depth."""
    assert type(ours) is type(theirs), where
    if isinstance(ours, np.ndarray):
        assert ours.dtype == theirs.dtype, where
        assert ours.shape == theirs.shape, where
        if ours.dtype.names:
            for name in ours.dtype.names:
                assert_same_state(ours[name], theirs[name], f"{where}.{name}")
        elif ours.dtype == object:
            for one, other in zip(ours.flat, theirs.flat, strict=True):
                assert_same_state(one, other, where)
        else:
            np.testing.assert_array_equal(ours, theirs, err_msg=where)
    elif issparse(ours):
        assert _content(ours) == _content(theirs), where
    elif isinstance(ours, dict):
        assert ours.keys() == theirs.keys(), (where, ours.keys() ^ theirs.keys())
        for key in ours:
            assert_same_state(ours[key], theirs[key], f"{where}.{key}")
    elif isinstance(ours, list | tuple):
        assert len(ours) == len(theirs), where
        for one, other in zip(ours, theirs, strict=True):
            assert_same_state(one, other, where)
    elif isinstance(ours, np.random.RandomState):
        assert_same_state(ours.get_state(), theirs.get_state(), where)
    elif isinstance(ours, type | FunctionType | BuiltinFunctionType | np.ufunc):
        assert ours.__name__ == theirs.__name__, where
    elif hasattr(ours, "__getstate__") and type(ours).__module__ != "builtins":
        assert_same_state(_parts(ours), _parts(theirs), f"{where}:{type(ours).__name__}")
    else:
        assert ours == theirs or ours != ours, where


def _parts(thing):
    state = copy.copy(thing.__getstate__())
    if isinstance(state, dict):
        state = {k: v for k, v in state.items() if k not in TIMES}
    if state is None:
        return type(thing).__qualname__
    return state


def _content(X):
    if not issparse(X):
        return X.tobytes()
    return X.data.tobytes(), X.indices.tobytes(), X.indptr.tobytes()
