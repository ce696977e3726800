"""Faults from outside: fits that are cut off, workers that die, files that lie."""

import os
import sys
import tempfile
import warnings
from contextlib import contextmanager
from functools import wraps
from inspect import CO_GENERATOR
from itertools import count
from multiprocessing import current_process
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from joblib import parallel_config
from joblib.externals.loky.process_executor import TerminatedWorkerError
from sklearn import get_config
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_info

from sklearn_prune import PrunedClassifier, compare_pruning
from sklearn_prune._meta import last_step
from sklearn_prune.weight_pruning._pruned_base import PrunedModel
from tests.faults.subjects import (
    RIGHT,
    assert_not_fitted,
    assert_same_results,
    fault,
)

PACKAGE = f"{os.sep}sklearn_prune{os.sep}"


def calls_of_package(call, at=None, error=None):
    """Number of calls of functions of the package; at one of them an error is raised."""
    n_calls = 0

    def watch(frame, event, argument):
        nonlocal n_calls
        code = frame.f_code  # a generator that is closed ignores what is raised in it
        if event != "call" or code.co_flags & CO_GENERATOR:
            return
        if PACKAGE in code.co_filename:
            n_calls += 1
            if n_calls == at:
                raise error

    sys.setprofile(watch)
    try:
        call()
    finally:
        sys.setprofile(None)
    return n_calls


def surroundings(subject, X, y):
    """What a fit must leave as it was, in a form that can be compared."""
    params = subject.estimator.get_params(deep=True)
    models = [part for part in params.values() if hasattr(part, "get_params")]
    torch = sys.modules.get("torch")
    state = np.random.get_state()
    return {
        "parameters": repr(params),
        "attributes of models": [repr(vars(model)) for model in models],
        # Where a model without a seed of its own draws, scikit-learn does.
        "generator": "SVR" in subject.name or (state[1].tobytes(), *state[2:]),
        "threads": [pool["num_threads"] for pool in threadpool_info()],
        # scikit-learn's threads write texts as patterns.
        "warnings": [
            [getattr(part, "pattern", part) for part in entry] for entry in warnings.filters
        ],
        "configuration": get_config(),
        "torch": torch
        and (torch.get_num_threads(), torch.random.get_rng_state().numpy().tobytes()),
        "rows": (X.tobytes(), y.tobytes()),
    }


@contextmanager
def nothing_else_changes(subject, X, y):
    before = surroundings(subject, X, y)
    yield
    for name, value in surroundings(subject, X, y).items():
        assert value == before[name], f"{name} changed: {before[name]} to {value}"


def is_cut_off(call, at):
    """Whether a call was interrupted; one that swallows the interrupt is wrong."""
    try:
        n_calls = calls_of_package(call, at, KeyboardInterrupt())
    except KeyboardInterrupt:
        return True
    assert n_calls < at, "it has swallowed the interrupt"
    return False


@fault(43, "a fit that raises, is interrupted, or loses a worker")
def cut_off(subject):
    X, y = subject.rows()
    check_interrupts(subject, X, y)
    if subject.kind == "comparison":
        check_failing_variants(subject, X, y)
    elif subject.kind not in ("selector", "sampler"):
        check_failing_models(subject, X, y)
    if subject.name == "PrunedClassifier(LogisticRegression)":
        check_killed_worker_of_fit(subject, X, y)
    if subject.name == "compare_pruning(LogisticRegression)":
        check_killed_worker_of_comparison(subject, X, y)
    return RIGHT


def check_interrupts(subject, X, y):
    """An interrupted fit leaves the old fit, or none, and nothing else changed."""

    def fit(estimator):
        return lambda: estimator.fit(X, y)  # fit_resample goes on after it

    fitted = subject.fit(X[:30][::-1].copy(), y[:30][::-1].copy())
    before = subject.results(fitted, X)
    n_calls = calls_of_package(fit(subject.make()))
    with nothing_else_changes(subject, X, y):
        for share in (0.6, 0.97):
            estimator = subject.make()
            if is_cut_off(fit(estimator), int(share * n_calls)):
                assert_not_fitted(estimator)
        for share in (0.3, 0.97):
            if is_cut_off(fit(fitted), int(share * n_calls)):
                assert_same_results(subject.results(fitted, X), before)


@contextmanager
def failing(cls, error, at=1):
    """Let the fit of a class raise when it is called for the n-th time."""
    original, numbers = cls.fit, count(1)

    @wraps(original)
    def fit(self, *args, **kwargs):
        if next(numbers) == at:
            raise error
        return original(self, *args, **kwargs)

    with mock.patch.object(cls, "fit", fit):
        yield


def check_failing_models(subject, X, y):
    """What the inner model raises comes through, from the refit too."""
    role = "transformer" if subject.kind == "transformer" else "estimator"
    cls = type(last_step(getattr(subject.estimator, role)))
    for error in (ValueError("no luck"), MemoryError("no luck"), KeyError("no luck")):
        for at in (1, 2):
            estimator = subject.make()
            with nothing_else_changes(subject, X, y), failing(cls, error, at):
                raised = None
                try:
                    estimator.fit(X, y)
                except Exception as caught:
                    raised = caught
            if raised is None:
                assert at == 2, "it has swallowed the error"
                continue
            assert type(raised) is type(error)
            assert "no luck" in str(raised)
            assert_not_fitted(estimator)


def check_failing_variants(subject, X, y):
    """A variant that fails is reported and changes no other; without a baseline none."""
    whole = subject.run(X, y)
    with failing(PrunedModel, MemoryError("no luck")), nothing_else_changes(subject, X, y):
        found = subject.fit(X, y).comparison_
    assert found.failures.keys() == {"parameters"}
    assert "no luck" in found.failures["parameters"]
    assert [found.verdict(name) for name in ("all", "rows")] == list(whole["verdicts"][:2])
    estimator = subject.make()
    baseline = type(subject.estimator.variants["all"])
    wanted = pytest.raises(RuntimeError, match="the baseline 'all' .* no luck")
    with failing(baseline, MemoryError("no luck")), wanted:
        estimator.fit(X, y)
    assert_not_fitted(estimator)


class Fatal(LogisticRegression):
    """Ends the process that it is fitted in, unless that is the first one."""

    def fit(self, X, y, sample_weight=None):
        if current_process().name != "MainProcess":
            os._exit(1)
        return super().fit(X, y, sample_weight)


def check_killed_worker_of_fit(subject, X, y):
    params = {"keep": "auto", "unit": "feature", "cv": 2}
    estimator = subject.make(estimator=Fatal(), n_jobs=2, **params)
    killed = pytest.raises(TerminatedWorkerError)
    with nothing_else_changes(subject, X, y), parallel_config("loky"), killed:
        estimator.fit(X, y)
    assert_not_fitted(estimator)
    again = subject.run(X, y, estimator=estimator.set_params(n_jobs=None))
    assert_same_results(again, subject.run(X, y, estimator=subject.make(**params)))


def check_killed_worker_of_comparison(subject, X, y):
    """What was finished before is kept in the store, and the comparison goes on there."""

    def compare(estimators, **params):
        found = compare_pruning(
            estimators, X, y, baseline="all", cv=3, margin=0.1, costs=(), **params
        )
        return found._scores("half", "accuracy")

    variants = {"all": LogisticRegression(), "half": PrunedClassifier(LogisticRegression())}
    with tempfile.TemporaryDirectory() as folder, parallel_config("loky"):
        fatal = variants | {"fatal": PrunedClassifier(Fatal())}
        with nothing_else_changes(subject, X, y), pytest.raises(TerminatedWorkerError):
            compare(fatal, n_jobs=2, store=folder)
        assert not list(Path(folder).glob("*.tmp"))
        np.testing.assert_array_equal(compare(variants, store=folder), compare(variants))
