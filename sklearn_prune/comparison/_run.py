"""One fold of a comparison: fit, score and measure variants and their controls."""

import sys
import threading
from collections import Counter
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from time import perf_counter

import numpy as np
from sklearn.base import clone
from sklearn.callback import CallbackSupportMixin
from sklearn.frozen import FrozenEstimator
from threadpoolctl import ThreadpoolController

from sklearn_prune._folds import split_rows
from sklearn_prune._meta import has_tags
from sklearn_prune._seeds import derive_seed, is_torch_model, seeded_torch
from sklearn_prune._sklearn_compat import (
    count_rows,
    score_and_predictions,
    take_rows,
    take_rows_of_params,
)
from sklearn_prune.comparison._agreement import churn
from sklearn_prune.comparison._controls import CONTROLS, is_its_own_random_control
from sklearn_prune.comparison._costs import (
    count_parameters,
    kept_units,
    prunes_nothing,
    rows_trained,
    saved_bytes,
)
from sklearn_prune.comparison._describe import digest

_TORCH = threading.RLock()  # torch has one generator for all threads


@dataclass
class Kept:
    """What one fit kept of one kind of unit.

    Parameters
    ----------
    unit : str
        "row", "feature", "tree", ...
    n_units : int
        How many there were; for rows, those of X.
    mask : ndarray of shape (ceil(n_units / 8),), uint8
        Bits of those that were kept.
    """

    unit: str
    n_units: int
    mask: np.ndarray

    @property
    def ids(self):
        """Sorted positions of what was kept."""
        return np.flatnonzero(np.unpackbits(self.mask, count=self.n_units))


@dataclass
class Fit:
    """What is known of one fitted model on one fold; times in seconds.

    Parameters
    ----------
    error : str or None
        Why there is no result.
    scores, costs : dict of str to float
        By name of the scorer and of the cost.
    kept : list of Kept
        Rows or parameters that are left, where any were pruned.
    predictions : ndarray or None
        Of the test rows.
    by_class : ndarray of shape (2, n_classes) or None
        Rows of each class that were there and that were kept.
    seed_churn : float or None
        Churn of the predictions against a fit with other seeds.
    controls : dict of str to Fit or None
        None where the control is not defined.
    fit_time, score_time : float
        Seconds, measured where it was fitted.
    model : object or None
        The fitted model, kept for one fold only.
    """

    error: str | None = None
    scores: dict = field(default_factory=dict)
    costs: dict = field(default_factory=dict)
    kept: list = field(default_factory=list)
    predictions: np.ndarray | None = None
    by_class: np.ndarray | None = None
    seed_churn: float | None = None
    controls: dict = field(default_factory=dict)
    fit_time: float = np.nan
    score_time: float = np.nan
    model: object = None


@dataclass(frozen=True)
class Job:
    """What every fit of a comparison shares.

    Parameters
    ----------
    X, y : array-like
        All rows.
    codes : ndarray of shape (n_samples,), int, or None
        Class of each row, where there are classes.
    scorers : dict of str to callable
        By name.
    score_params : dict of str to dict
        Parameters of each scorer, with an entry for each row of X where they have any.
    fit_params : dict of str to dict
        The same for the fit of each variant.
    controls : tuple of str
        Controls to fit beside each pruned variant.
    costs : tuple of str
        Costs to take of each fitted model.
    """

    X: object
    y: object
    codes: np.ndarray | None
    scorers: dict
    score_params: dict
    fit_params: dict
    controls: tuple
    costs: tuple


def run_task(job, members, split, train, test, seed, keep_models=False, contexts=None):
    """Fit variants that share their control on one fold, and the control once.

    Parameters
    ----------
    job : Job
        What all fits share.
    members : dict of str to estimator
        Unfitted variants.
    split : int
        Number of the fold.
    train, test : ndarray of int
        Its rows.
    seed : int
        The seed of the fold.
    keep_models : bool
        Whether to return the fitted models and to fit again with other seeds.
    contexts : dict of str to (CallbackContext, estimator), or None
        For the callbacks of each member, and the estimator that they belong to.

    Returns
    -------
    fits : dict of str to Fit
        By variant.
    spent, bookkeeping : float
        Seconds that went into fitting and scoring, and those that did not.
    """
    started = perf_counter()
    fold = _Fold(job, split, train, test, seed)
    fits, known, spent = {}, {}, 0.0
    with one_thread():
        # A variant that is random itself is the control of those that are not.
        in_order = sorted(members.items(), key=lambda item: not _is_control(item[1], job))
        for name, estimator in in_order:
            context = None if contexts is None else contexts[name]
            fit, model = fold.fit(estimator, name, context)
            fits[name] = fit
            spent += fit.fit_time + fit.score_time
            if model is None or prunes_nothing(estimator):
                wanted = {}
            else:
                wanted = {
                    control: CONTROLS[control](estimator, model) for control in job.controls
                }
            own = model is not None and _is_control(estimator, job)
            if own:
                known[digest(wanted["random"])] = fit
            for control, alternative in wanted.items():
                if alternative is None:
                    fit.controls[control] = None
                    continue
                key = digest(alternative)
                if key not in known:
                    known[key], _ = fold.fit(alternative, name)
                    spent += known[key].fit_time + known[key].score_time
                fit.controls[control] = known[key]
            if own:
                fit.controls["random"] = _without_controls(fit)
            if keep_models and model is not None:
                again, seconds = fold.predictions_with_other_seeds(estimator, name)
                spent += seconds
                if again is not None:
                    fit.seed_churn = churn(again, fit.predictions)
                fit.model = model
    return fits, spent, perf_counter() - started - spent


def _is_control(estimator, job):
    return (
        "random" in job.controls
        and not prunes_nothing(estimator)
        and is_its_own_random_control(estimator)
    )


def _without_controls(fit):
    return Fit(**{**vars(fit), "controls": {}, "model": None})


class _Fold:
    """The rows of one fold and what is done with a model on them."""

    def __init__(self, job, split, train, test, seed):
        self.job, self.split, self.seed = job, split, seed
        self.train, self.test = train, test

    def fit(self, estimator, name, context=None):
        """Fit, score and measure; return a Fit and the fitted model, None if it failed."""
        fit = Fit()
        started = perf_counter()
        try:
            model, X_test, y_test = self._fitted(estimator, name, self.seed, context)
            fit.fit_time = perf_counter() - started
            started = perf_counter()
            fit.scores, fit.predictions = score_and_predictions(
                model, X_test, y_test, self.job.scorers, self._sliced_score_params()
            )
            fit.score_time = perf_counter() - started
        except Exception as error:
            message = " ".join(str(error).split())
            fit.error = f"{type(error).__name__}: {message}"
            seconds = perf_counter() - started
            if np.isnan(fit.fit_time):
                fit.fit_time, fit.score_time = seconds, 0.0
            else:
                fit.score_time = seconds
            return fit, None
        if fit.predictions is None:
            fit.predictions = model.predict(X_test)
        fit.predictions = _plain(fit.predictions)
        fit.costs = self._costs(model)
        self._note_what_is_kept(fit, model)
        return fit, model

    def predictions_with_other_seeds(self, estimator, name):
        """Predictions of a fit with other seeds and its seconds; None where it has none."""
        free = _free_seeds(estimator)
        if not free and not is_torch_model(estimator):
            return None, 0.0
        started = perf_counter()
        other = derive_seed(self.seed, "again")
        model, X_test, _ = self._fitted(estimator, name, other)
        predictions = _plain(model.predict(X_test))
        return predictions, perf_counter() - started

    def _fitted(self, estimator, name, seed, context=None):
        model = seeded(estimator, seed)
        X_train, X_test = split_rows(model, self.job.X, self.train, self.test)
        y_train, y_test = (take_rows(self.job.y, rows) for rows in (self.train, self.test))
        params = take_rows_of_params(self.job.X, self.job.fit_params[name], self.train)
        torch_model = is_torch_model(model)
        with (
            _TORCH if torch_model else nullcontext(),
            seeded_torch(model, seed),
            _reported(context, model, X_train, y_train),
        ):
            model.fit(X_train, y_train, **params)
        return model, X_test, y_test

    def _costs(self, model):
        wanted, costs = self.job.costs, {}
        if "nbytes" in wanted:
            costs["nbytes"] = float(saved_bytes(model))
        if "n_params" in wanted or "n_nonzero" in wanted:
            counts = count_parameters(model)
            costs |= dict(zip(("n_params", "n_nonzero"), counts, strict=True))
        if "n_samples" in wanted:
            costs["n_samples"] = float(rows_trained(model, default=len(self.train)))
        return {name: value for name, value in costs.items() if name in wanted}

    def _sliced_score_params(self):
        return {
            name: take_rows_of_params(self.job.X, params, self.test)
            for name, params in self.job.score_params.items()
        }

    def _note_what_is_kept(self, fit, model):
        n_rows = count_rows(self.job.X)
        for unit, ids, n_units in kept_units(model):
            if unit == "row":
                if n_units != len(self.train):
                    continue  # resampled on the way: its rows are not those of X
                ids, n_units = self.train[ids], n_rows
                if self.job.codes is not None and fit.by_class is None:
                    fit.by_class = _by_class(self.job.codes, self.train, ids)
            mask = np.zeros(n_units, dtype=bool)
            mask[ids] = True
            fit.kept.append(Kept(unit, n_units, np.packbits(mask)))


def _plain(predictions):
    """Predictions as an array that holds no objects."""
    predictions = np.asarray(predictions)
    return predictions.astype(str) if predictions.dtype.kind == "O" else predictions


def _by_class(codes, train, kept):
    n_classes = codes.max() + 1
    return np.array(
        [np.bincount(codes[rows], minlength=n_classes) for rows in (train, kept)]
    )


@contextmanager
def _reported(context, model, X, y):
    """Tell callbacks of a fit, and hand them on to a model that takes them."""
    if context is None:
        yield
        return
    context, owner = context
    takes = isinstance(model, CallbackSupportMixin) and not isinstance(
        model, FrozenEstimator
    )
    with context.propagate_callback_context(model) if takes else nullcontext():
        context.call_on_fit_task_begin(estimator=owner, X=X, y=y)
        try:
            yield
        finally:
            context.call_on_fit_task_end(estimator=owner, X=X, y=y)


def _free_seeds(estimator):
    """Names of the nested `random_state` that are None, by a role for each.

    The role is the class that has it and its number among those of this class, so that
    the same model has the same seed in whatever it is wrapped.
    """
    params = estimator.get_params(deep=True)
    roles, seen = {}, Counter()
    for name in sorted(params):
        owner_name, _, parameter = name.rpartition("__")
        owner = params.get(owner_name) if owner_name else estimator
        if parameter != "random_state" or not has_tags(owner):
            continue
        kind = type(owner).__name__
        if params[name] is None:
            roles[name] = f"{kind} {seen[kind]}"
        seen[kind] += 1
    return roles


def seeded(estimator, seed):
    """A clone in which each `random_state` that is None has a seed of its own."""
    copy = clone(estimator)
    seeds = {name: derive_seed(seed, role) for name, role in _free_seeds(copy).items()}
    return copy.set_params(**seeds) if seeds else copy


@contextmanager
def one_thread():
    """Hold BLAS, OpenMP and torch to one thread, so that none of them changes a result.

    The generator of torch, which even predictions of a net draw from, is left as it was.
    """
    torch = sys.modules.get("torch")
    with _controller(len(sys.modules)).limit(limits=1):
        if torch is None:
            yield
            return
        n_threads, state = torch.get_num_threads(), torch.random.get_rng_state()
        try:
            torch.set_num_threads(1)
            yield
        finally:
            torch.set_num_threads(n_threads)
            torch.random.set_rng_state(state)


@cache
def _controller(n_modules):
    """Thread pools of the loaded libraries, looked up again when there are more."""
    return ThreadpoolController()
