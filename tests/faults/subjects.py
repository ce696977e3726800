"""Every public estimator, and the ways in which one may answer a fault.

A subject is one public estimator with its inner models. A fault is a function that is
given a subject and returns a cell: "right", "refused", a mixture of both by case, or
"does not apply: ..." with the reason. Anything else is an AssertionError.
"""

import inspect
import traceback
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from sklearn_prune import compare_pruning, sample_selection
from sklearn_prune._sklearn_compat import count_rows
from sklearn_prune.comparison.run.execute import BaselineError
from sklearn_prune.sample_selection import SampleSelector
from tests.faults.models import COMPARISONS, PREDICTORS, QUICK

KINDS = ("subset", "transformer", "sampler", "pruned", "selector", "comparison")
CLASSES_ONLY = {"ConfidentLearningSelector", "ICFSelector", "TomekLinksSelector"}
RIGHT, REFUSED = "right", "refused"


class Comparison(BaseEstimator):
    """`compare_pruning` in the shape of an estimator, so that all subjects look alike.

    `keep` is that of its pruned variants; `comparison_` is what it found.
    """

    def __init__(self, variants, keep=0.5):
        self.variants = variants
        self.keep = keep

    def fit(self, X, y, *, sample_weight=None, groups=None):
        variants = {name: clone(one) for name, one in self.variants.items()}
        for one in variants.values():
            if "keep" in one.get_params(deep=False):
                one.set_params(keep=self.keep)
        params = None if sample_weight is None else {"sample_weight": sample_weight}
        self.comparison_ = compare_pruning(
            variants,
            X,
            y,
            baseline=next(iter(variants)),
            cv=2,
            margin=0.1,
            costs=("n_params",),
            controls=(),
            groups=groups,
            params=params,
        )
        return self


@dataclass(frozen=True)
class Subject:
    """A public estimator around given inner models.

    Parameters
    ----------
    name : str
        The estimator and what is inside it.
    kind : {"subset", "transformer", "sampler", "pruned", "selector", "comparison"}
        What it is.
    estimator : estimator
        Unfitted, seeded where it takes a seed.
    tasks : tuple of {"classification", "regression"}
        What y may be, the preferred one first.
    """

    name: str
    kind: str
    estimator: object
    tasks: tuple = ("classification", "regression")

    @property
    def classifies(self):
        """Whether y holds classes unless asked otherwise."""
        return self.tasks[0] == "classification"

    @property
    def predicts(self):
        """Whether it gives something for rows that it has not seen."""
        return self.kind in ("subset", "transformer", "pruned")

    @property
    def requires_y(self):
        """Whether fit refuses to do without y."""
        if self.kind in ("transformer", "sampler"):
            return self._selector is not None and self._selector.requires_y
        return self.kind != "selector" or self.estimator.requires_y

    @property
    def _selector(self):
        return getattr(self.estimator, "selector", None)

    def make(self, **params):
        """A fresh unfitted estimator with these parameters changed."""
        return clone(self.estimator).set_params(**params)

    def rows(self, task=None, *, n=40):
        """X of shape (n, 4), float64, and y: three classes, or continuous.

        Rows and distances between them are all different, so that nothing ties.
        """
        random = np.random.default_rng(0)
        X = random.normal(size=(n, 4)) + 3.0
        signal = X[:, 0] + 0.5 * X[:, 1] + 0.3 * random.normal(size=n)
        if (task or self.tasks[0]) == "regression":
            return X, signal
        return X, np.digitize(signal, np.quantile(signal, [0.35, 0.7]))

    def fit(self, X, y, *, estimator=None, **fit_params):
        """A fresh estimator (or the given one) fitted to these rows."""
        estimator = self.make() if estimator is None else estimator
        if self.kind == "sampler":
            rows, targets = estimator.fit_resample(X, y, **fit_params)
            n_kept = len(estimator.sample_indices_)
            assert count_rows(rows) == count_rows(targets) == n_kept
        else:
            estimator.fit(X, y, **fit_params)
        return estimator

    def results(self, fitted, X=None):
        """What the fitted estimator decided, and what it gives for X: dict of arrays."""
        if self.kind == "comparison":
            found = fitted.comparison_
            assert not found.failures, found.failures
            words = [found.verdict(name) for name in found.variants]
            scores = [found._scores(name, found.scorers[0]) for name in found.variants]
            return {"verdicts": np.array(words), "scores": np.array(scores)}
        if self.kind == "selector":
            names = ("order_", "scores_", "natural_size_")
            return {
                name: np.asarray(getattr(fitted, name))
                for name in names
                if hasattr(fitted, name)
            }
        if self.kind == "pruned":
            results = {"kept": fitted.kept_}
        else:
            results = {"kept": fitted.sample_indices_}
        if X is None or not self.predicts:
            return results
        if self.kind == "transformer":
            return results | {"transformed": _dense(fitted.transform(X))}
        results["predictions"] = np.asarray(fitted.predict(X))
        for method in ("predict_proba", "decision_function"):
            if hasattr(fitted, method):
                results[method] = np.asarray(getattr(fitted, method)(X))
        return results

    def run(self, X, y, *, X_new=None, estimator=None, **fit_params):
        """`results` of a fresh estimator, fitted to X and y, for X_new (default: X)."""
        fitted = self.fit(X, y, estimator=estimator, **fit_params)
        return self.results(fitted, X if X_new is None else X_new)


def _dense(rows):
    return np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows)


def subjects():
    """Every subject, each name once; selectors are found from `__all__`."""
    found = [Subject(*args) for args in PREDICTORS]
    for name in sample_selection.__all__:
        cls = getattr(sample_selection, name)
        if not inspect.isclass(cls) or not issubclass(cls, SampleSelector):
            continue
        if inspect.isabstract(cls):
            continue
        selector = cls(**QUICK.get(name, {}))
        if "random_state" in selector.get_params(deep=False):
            selector.set_params(random_state=0)
        tasks = ("classification", "regression")
        found.append(
            Subject(name, "selector", selector, tasks[: 2 - (name in CLASSES_ONLY)])
        )
    for name, variants, task in COMPARISONS:
        found.append(Subject(name, "comparison", Comparison(variants), (task,)))
    return found


@dataclass(frozen=True)
class Fault:
    """One row of the table."""

    number: int
    title: str
    check: object


FAULTS = {}


def fault(number, title):
    """Register a function of a subject as the check of one fault."""

    def register(check):
        assert number not in FAULTS, f"fault {number} is there already"
        FAULTS[number] = Fault(number, title, check)
        return check

    return register


def does_not_apply(reason):
    """The cell of a subject that cannot meet the fault."""
    return f"does not apply: {reason}"


def mixed(cells):
    """One cell for several cases: a dict of the name of a case to its cell."""
    by_cell = {}
    for case, cell in cells.items():
        by_cell.setdefault(cell, []).append(case)
    if len(by_cell) == 1:
        return next(iter(by_cell))
    return "; ".join(f"{cell} ({', '.join(cases)})" for cell, cases in by_cell.items())


def assert_refused(call, names=("X",), *, words=()):
    """Assert that a call raises a good error; the cell "refused".

    Parameters
    ----------
    call : callable
        Without arguments.
    names : tuple of str
        The message names one of these.
    words : tuple of str
        The message says one of these too, if any are given.
    """
    try:
        call()
    except Exception as error:
        check_error(error, names, words)
        return REFUSED
    raise AssertionError("it must be refused, and nothing was raised")


def check_error(error, names=("X",), words=()):
    """Assert that an error of ours is good; that of another library passes as it is."""
    message = str(error)
    tail = f"{type(error).__name__}: {message!r}"
    assert message.strip(), f"the message is empty: {tail}"
    assert not words or any(word in message for word in words), f"none of {words}: {tail}"
    if _is_of_a_model_or_tensor(error):
        return
    if not isinstance(error, ValueError | TypeError):
        raise AssertionError(f"it must be a ValueError or TypeError: {tail}") from error
    names = (*names, "baseline") if isinstance(error, BaselineError) else names
    _check_message(error, names)


def _is_of_a_model_or_tensor(error):
    """Whether scikit-learn or torch has raised it, called by the package or a test."""
    frames = [Path(f.filename).parts for f in traceback.extract_tb(error.__traceback__)]
    ours = [
        place
        for place, parts in enumerate(frames)
        if not {"sklearn_prune", "tests"}.isdisjoint(parts)
    ]
    called = frames[ours[-1] + 1 :]
    return bool(called) and not {"sklearn", "torch"}.isdisjoint(called[0])


def _check_message(error, names):
    """Assert that a message is in one line, names what it is about and says what came."""
    message = str(error)
    if message.startswith("The feature names should match those that were passed"):
        return  # the text that scikit-learn's checks of estimators ask for
    tail = f"{type(error).__name__}: {message!r}"
    assert "\n" not in message, f"the message has several lines: {tail}"
    assert any(_names(message, name) for name in names), f"it names none of {names}: {tail}"
    assert "Got " in message or "got " in message, f"it does not say what came: {tail}"


def _names(message, name):
    """Whether a name stands in the message as a word."""
    padded = "".join(c if c.isalnum() or c == "_" else " " for c in message)
    return name in padded.split()


def assert_refuses_fit(subject, X, y, names=("X",), *, estimator=None, words=(), **params):
    """Assert that fit refuses, and leaves nothing that looks fitted; "refused"."""
    estimator = subject.make() if estimator is None else estimator
    cell = assert_refused(
        lambda: subject.fit(X, y, estimator=estimator, **params), names, words=words
    )
    assert_not_fitted(estimator)
    return cell


def assert_not_fitted(estimator):
    """Assert that an estimator whose first fit failed is not fitted."""
    with pytest.raises(NotFittedError):
        check_is_fitted(estimator)


def assert_same_results(found, wanted, *, rtol=0.0, atol=0.0):
    """Assert that two `results` are equal, numbers within a tolerance; "right"."""
    assert found.keys() == wanted.keys(), (found.keys(), wanted.keys())
    for name, one in wanted.items():
        other = found[name]
        assert other.shape == one.shape, f"{name}: {other.shape} and not {one.shape}"
        if one.dtype.kind == "f" and (rtol or atol):
            np.testing.assert_allclose(other, one, rtol=rtol, atol=atol, err_msg=name)
        else:
            np.testing.assert_array_equal(other, one, err_msg=name)
    return RIGHT


def answer(subject, X, y, right, names=("X",), *, words=(), **fit_params):
    """ "refused" by fit as `assert_refuses_fit` says, else `right(fitted)` and "right"."""
    estimator = subject.make()
    try:
        fitted = subject.fit(X, y, estimator=estimator, **fit_params)
    except Exception as error:
        check_error(error, names, words)
        assert_not_fitted(estimator)
        return REFUSED
    if subject.kind == "comparison" and fitted.comparison_.failures:
        assert all(fitted.comparison_.failures.values())
        return REFUSED
    right(fitted)
    return RIGHT


def answer_of_rows(subject, fitted, X_new, right, names=("X",), *, words=()):
    """The same for rows that a fitted one is given: `right(results)` or refused."""
    try:
        results = subject.results(fitted, X_new)
    except Exception as error:
        check_error(error, names, words)
        return REFUSED
    right(results)
    return RIGHT
