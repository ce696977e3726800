"""One fold of a comparison: fit, score and measure variants and their controls."""

import threading
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from math import isfinite
from time import perf_counter

import numpy as np

from sklearn_prune._folds import explained_groups, split_rows
from sklearn_prune._meta import callback_task, innermost, own_params
from sklearn_prune._seeds import derive_seed, free_seeds, is_torch_model, seeded_globals
from sklearn_prune._sklearn_compat import (
    count_rows,
    scores_and_responses,
    take_rows,
    take_rows_of_params,
)
from sklearn_prune._validation import check_score, explained
from sklearn_prune.comparison.provenance import digest
from sklearn_prune.comparison.run.controls import (
    CONTROLS,
    is_its_own_random_control,
    rescaled,
)
from sklearn_prune.comparison.run.costs import (
    count_parameters,
    kept_rows,
    kept_units,
    prunes_nothing,
    rows_seen,
    saved_bytes,
)
from sklearn_prune.comparison.run.isolation import one_thread, seeded
from sklearn_prune.comparison.verdicts import churn
from sklearn_prune.inspection import importances, margins_of, n_features_read, n_rules
from sklearn_prune.weight_pruning import log_scores

_REMEDY = "Compare another model, or name a scorer that reads these predictions."
_TORCH = threading.RLock()  # torch has one generator for all threads
_SAME_SIZE = 0.05  # difference of the logarithms of sizes
_NEAR_SIZE = 0.25
_MOST_RESIZINGS = 5


@dataclass
class KeptUnits:
    """What one fit kept of one kind of unit."""

    unit: str  # "row", "feature", "tree", ...
    n_units: int  # before pruning; for rows, those of X
    mask: np.ndarray  # packed bits of those that were kept

    @property
    def ids(self):
        """Sorted positions of what was kept."""
        return np.flatnonzero(np.unpackbits(self.mask, count=self.n_units))


@dataclass
class FoldResult:
    """What is known of one fitted model on one fold; times in seconds."""

    error: str | None = None  # why there is no result
    scores: dict = field(default_factory=dict)
    costs: dict = field(default_factory=dict)
    kept: list = field(default_factory=list)  # KeptUnits of what was pruned
    predictions: np.ndarray | None = None  # of the test rows
    by_class: np.ndarray | None = None  # rows of each class: seen, and kept
    log_loss: float | None = None  # NaN without probabilities, None where not measured
    margins: np.ndarray | None = None  # of the baseline's predictions of the test rows
    n_rules: float | None = None  # of trees; NaN where not known
    n_features: float | None = None  # columns that are read; NaN where not known
    importances: np.ndarray | None = None  # of columns; empty where there are none
    seed_importances: np.ndarray | None = None  # of a fit with other seeds
    seed_churn: float | None = None  # against a fit with other seeds, where measured
    controls: dict = field(default_factory=dict)  # FoldResult; None if not defined
    fit_time: float = np.nan
    score_time: float = np.nan
    model: object = None  # kept for the first fold only


@dataclass(frozen=True)
class FoldJob:
    """What every fit of a comparison shares."""

    X: object
    y: object
    kind: str | None  # "classifier" or "regressor"
    codes: np.ndarray | None  # class of each row, where there are classes
    scorers: dict
    score_params: dict  # for each scorer, row-aligned entries for all rows of X
    fit_params: dict  # the same for the fit of each variant
    controls: tuple  # to fit beside each pruned variant
    costs: tuple  # to measure of each fitted model
    baseline: str  # name of the variant that the others are compared with
    explained: object  # rows that each variant is explained on
    explained_splits: frozenset  # numbers of the folds where this is done


@dataclass(frozen=True)
class Variant:
    """A variant, unfitted, and what its parameters say of it."""

    estimator: object
    prunes: bool
    is_random: bool  # all that it prunes is chosen at random: it is its own control

    @classmethod
    def of(cls, estimator):
        """The variant for an estimator."""
        prunes = not prunes_nothing(estimator)
        return cls(estimator, prunes, prunes and is_its_own_random_control(estimator))


def run_task(job, variants, split, train, test, seed, keep_models=False, contexts=None):
    """Fit variants that share their control on one fold, and the control once.

    `train` and `test` are rows of fold number `split`. With `keep_models`, results hold the
    fitted models, and each variant is fitted again with other seeds if "seed_churn" is a
    cost. `contexts` holds for each variant a callback context and the estimator it belongs
    to. Returns the results by variant, the seconds of "fit" and of "score", and the seconds
    of everything else.
    """
    started = perf_counter()
    fold = _Fold(job, split, train, test, seed)
    fits, known = {}, {}
    with one_thread():
        # A variant that is random itself is the control of those that are not.
        for name, variant in sorted(
            variants.items(), key=lambda item: not item[1].is_random
        ):
            context = None if contexts is None else contexts[name]
            fit, model = fold.fit(variant.estimator, name, context)
            fits[name] = fit
            if model is None:
                continue
            if variant.prunes:
                fold.add_controls(fit, variant, model, name, known)
            if split in job.explained_splits:
                vars(fit).update(fold.explanation(model))
            if keep_models:
                if "seed_churn" in job.costs:
                    fit.seed_churn = fold.seed_churn(fit, variant.estimator, name)
                fit.model = model
    elapsed = perf_counter() - started
    return fits, fold.spent, elapsed - sum(fold.spent.values())


class _Fold:
    """The rows of one fold and what is done with a model on them."""

    def __init__(self, job, split, train, test, seed):
        self.job, self.split, self.seed = job, split, seed
        self.train, self.test = train, test
        self.spent = {"fit": 0.0, "score": 0.0}

    def fit(self, estimator, name, context=None):
        """Fit, score and measure; return the result and the model, None if it failed."""
        fit = FoldResult()
        try:
            with self._timed("fit") as fit_time:
                model, X_test, y_test = self._fitted(estimator, name, self.seed, context)
            with self._timed("score") as score_time:
                rows = (model, X_test, np.asarray(y_test))
                kind = type(innermost(model)).__name__
                classifies = self.job.codes is not None
                with explained(*rows, kind, classifies=classifies, remedy=_REMEDY):
                    params = self._sliced_score_params()
                    fit.scores, responses = scores_and_responses(
                        *(model, X_test, y_test, self.job.scorers, params),
                        partial(check_score, finite=False),
                    )
                predictions = responses.get("predict")
                if predictions is None:
                    predictions = model.predict(X_test)
                if classifies:
                    weights = params.get(next(iter(self.job.scorers)), {})
                    proba = _probabilities(model, X_test, responses.get("predict_proba"))
                    fit.log_loss = _log_loss(
                        proba, np.asarray(y_test), weights.get("sample_weight")
                    )
                    if name == self.job.baseline:
                        fit.margins = _margins(proba, np.asarray(predictions))
            fit.predictions = _plain(predictions)
            fit.fit_time, fit.score_time = fit_time[0], score_time[0]
            fit.costs = self._costs(model)
            self._note_what_is_kept(fit, model)
        except Exception as error:
            return FoldResult(error=error_text(error)), None
        return fit, model

    def add_controls(self, fit, variant, model, name, known):
        """Fit the controls of a variant, those that are known already excepted."""
        for control in self.job.controls:
            try:
                alternative = CONTROLS[control](variant.estimator, model)
            except Exception as error:
                fit.controls[control] = FoldResult(error=error_text(error))
                continue
            if alternative is None:
                fit.controls[control] = None
                continue
            key = digest(alternative)
            if control == "random" and variant.is_random:
                known[key] = FoldResult(**{**vars(fit), "controls": {}})
            if key not in known:
                known[key], fitted = self.fit(alternative, name)
                if control == "random" and fitted is not None:
                    known[key] = self._resized(known[key], alternative, fitted, model, name)
            fit.controls[control] = known[key]

    def _resized(self, fit, control, fitted, model, name):
        """The control at the size of the variant, where a mix of units missed it.

        Sizes between one that is too small and one that is too large are tried; without a
        random mix of about the size there is no control.
        """
        wanted, _ = count_parameters(model)
        found, _ = count_parameters(fitted)
        best = abs(np.log(found / wanted)) if found > 0 < wanted else np.nan
        factor, low, high = 1.0, 0.0, np.inf
        for _ in range(_MOST_RESIZINGS):
            if not best > _SAME_SIZE:
                return fit
            if not found:
                break
            low, high = (factor, high) if found < wanted else (low, factor)
            proposed = factor * wanted / found
            middle = np.sqrt(low * high) if np.isfinite(low * high) else proposed
            factor = proposed if low < proposed < high else middle
            candidate = rescaled(control, factor)
            if candidate is None:
                return fit  # of single units, whose number was asked for
            if prunes_nothing(candidate):
                high, found = factor, np.inf
                factor = np.sqrt(max(low, 1e-3) * high)
                candidate = rescaled(control, factor)
                if candidate is None or prunes_nothing(candidate):
                    break
            other, fitted = self.fit(candidate, name)
            if fitted is None:
                break
            found, _ = count_parameters(fitted)
            if abs(np.log(found / wanted)) < best:
                fit, best = other, abs(np.log(found / wanted))
        if best > _NEAR_SIZE:
            return FoldResult(error="No random mix of units has the size of the variant.")
        return fit

    def seed_churn(self, fit, estimator, name):
        """Churn against a fit with other seeds; NaN where there are none to change."""
        if not free_seeds(estimator) and not is_torch_model(estimator):
            return np.nan
        try:
            with self._timed("fit"):
                other = derive_seed(self.seed, "again")
                model, X_test, _ = self._fitted(estimator, name, other)
                predictions = _plain(model.predict(X_test))
            fit.seed_importances = self.explanation(model)["importances"]
            return churn(predictions, fit.predictions, self.job.kind)
        except Exception:  # the variant has a result; only this is missing
            return np.nan

    def explanation(self, model):
        """Rules and columns of a model, and importances of columns on common rows."""
        found = {"n_rules": np.nan, "n_features": np.nan, "importances": np.zeros(0)}
        try:
            X_train = take_rows(self.job.X, self.train)
            found["n_features"] = n_features_read(model)
            found["n_rules"] = n_rules(model, X_train)
            found["importances"] = importances(model, X_train, self.job.explained)
        except Exception:  # the variant has a result; only this is missing
            pass
        return found

    @contextmanager
    def _timed(self, what):
        """Seconds of what happens inside, in a list once it is over."""
        seconds, started = [], perf_counter()
        try:
            yield seconds
        finally:
            seconds.append(perf_counter() - started)
            self.spent[what] += seconds[0]

    def _fitted(self, estimator, name, seed, context=None):
        model = seeded(estimator, seed)
        X_train, X_test = split_rows(model, self.job.X, self.train, self.test)
        y_train, y_test = (take_rows(self.job.y, rows) for rows in (self.train, self.test))
        params = take_rows_of_params(self.job.X, self.job.fit_params[name], self.train)
        torch_model = is_torch_model(model)
        task = nullcontext()
        if context is not None:
            context, owner = context
            task = callback_task(context, owner=owner, target=model, X=X_train, y=y_train)
        with (
            _TORCH if torch_model else nullcontext(),
            seeded_globals(model, seed),
            task,
            explained_groups(model, params),
        ):
            model.fit(X_train, y_train, **own_params(params))
        return model, X_test, y_test

    def _costs(self, model):
        wanted, costs = self.job.costs, {}
        if "nbytes" in wanted:
            costs["nbytes"] = float(saved_bytes(model))
        if "n_params" in wanted or "n_nonzero" in wanted:
            counts = count_parameters(model)
            costs |= dict(zip(("n_params", "n_nonzero"), counts, strict=True))
        if "n_samples" in wanted:
            rows = rows_seen(model, len(self.train))
            costs["n_samples"] = np.nan if rows is None else float(len(rows))
        return {name: value for name, value in costs.items() if name in wanted}

    def _sliced_score_params(self):
        return {
            name: take_rows_of_params(self.job.X, params, self.test)
            for name, params in self.job.score_params.items()
        }

    def _note_what_is_kept(self, fit, model):
        kept = kept_rows(model, len(self.train))
        units = kept_units(model)
        if kept is not None:
            rows = self.train[kept]
            units = [("row", rows, count_rows(self.job.X)), *units]
            if self.job.codes is not None:
                fit.by_class = _by_class(self.job.codes, self.train, rows)
        for unit, ids, n_units in units:
            mask = np.zeros(n_units, dtype=bool)
            mask[ids] = True
            fit.kept.append(KeptUnits(unit, n_units, np.packbits(mask)))


def _probabilities(model, X, proba=None):
    """Class probabilities in the order of the classes, and these; None if there are none.

    `proba` is what a scorer has asked for, which may be the column of one class.
    """
    try:
        if np.ndim(proba) != 2:
            proba = model.predict_proba(X)
        order = np.argsort(model.classes_)
        return np.asarray(proba)[:, order], np.asarray(model.classes_)[order]
    except Exception:  # the model has its scores; only this is missing
        return None


def _log_loss(proba, y, weights):
    """The log loss of clipped probabilities; NaN for a model that gives none."""
    try:
        return -float(np.average(log_scores(*proba, y), weights=weights))
    except Exception:  # of no probabilities, or of classes that cannot be ordered
        return np.nan


def _margins(proba, predictions):
    """Margins of predicted classes; None for a model without probabilities."""
    try:
        return margins_of(*proba, predictions.ravel()).astype(np.float32)
    except Exception:  # as in `_log_loss`
        return None


def error_text(error):
    """Class and message of an error, in one line that ends in a full stop."""
    message = " ".join(str(error).split())
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _plain(predictions):
    """Predictions as an array that holds no objects and no needless bytes."""
    predictions = np.asarray(predictions)
    if predictions.ndim == 2 and predictions.shape[1] == 1:
        predictions = predictions.ravel()
    if predictions.dtype.kind in "iu" and predictions.size:
        ends = predictions.min(), predictions.max()
        smallest = np.result_type(*map(np.min_scalar_type, ends))
        return predictions.astype(smallest, copy=False)
    return predictions.astype(str) if predictions.dtype.kind == "O" else predictions


def _by_class(codes, train, kept):
    n_classes = codes.max() + 1
    return np.array(
        [np.bincount(codes[rows], minlength=n_classes) for rows in (train, kept)]
    )


def has_finite_scores(fit):
    """Whether each score of a fit is a finite number."""
    return all(map(isfinite, fit.scores.values()))


def with_usable_scores(fit, names, baseline):
    """The fit, or one that failed where its scores cannot be compared.

    `names` are the scores that each fit must have. `baseline` holds the scores of the
    baseline on the same fold. Where one of these is not finite, such as that of a metric
    that is not defined on this fold, the fit's need not be finite either.
    """
    if fit.error:
        return fit
    if fit.scores.keys() != names:
        return FoldResult(
            error="ValueError: scoring must give each model scores of the same names. Got "
            f"{', '.join(map(repr, fit.scores)) or 'none'} instead of the baseline's "
            f"{', '.join(map(repr, names))}. Return the same keys for all."
        )
    for name, score in fit.scores.items():
        known = name in baseline and isfinite(baseline[name])
        if known and not isfinite(score):
            return FoldResult(
                error=f"ValueError: The score {name!r} must be a finite number. Got "
                f"{score} where the baseline has {baseline[name]:.6g}. Return a number "
                "for each model."
            )
    return fit
