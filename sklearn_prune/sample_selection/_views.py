"""Three cheap opinions on each row from models that have not seen it, and their mean."""

import warnings

import numpy as np
from scipy.ndimage import median_filter
from sklearn.base import clone
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning, UndefinedMetricWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import NearestNeighbors

from sklearn_prune._graph import EXACT_UP_TO
from sklearn_prune._seeds import derive_seed, row_keys
from sklearn_prune.sample_selection._refitting import class_is_elsewhere

N_NEIGHBORS = 15
N_REFERENCES = 10_000  # rows among which neighbours are looked for where there are many
N_TREES = 60
TREE_ROWS = 5_000  # rows of a bootstrap sample
N_FOLDS = 3


class Views:
    """Predictions for the rows of a training set that leave each row out.

    The points are standardised rows; the context gives weights, groups and the cached
    neighbour graph; the seed is for folds, trees and the reference rows.
    """

    def __init__(self, points, context, seed, n_jobs):
        self.points = points
        self.seed = seed
        self.n_jobs = n_jobs
        self.weights = context.sample_weight
        self.groups = None
        if context.groups is not None:
            self.groups = np.unique(np.asarray(context.groups), return_inverse=True)[1]
        self.neighbors, self.counts = self._neighbors(context)

    def class_probabilities(self, y):
        """Mean of the three views, of shape (n_samples, n_classes); which rows it knows.

        A row has the mean of the views that know its class without it.
        """
        linear = LogisticRegression(C=0.1, max_iter=100)
        units = np.arange(len(y)) if self.groups is None else self.groups
        counted = np.ones(len(y), dtype=bool) if self.weights is None else self.weights > 0
        elsewhere = class_is_elsewhere(y, units, counted)
        views = [self._votes(y), self._forest_probabilities(y)]
        known = [elsewhere, elsewhere if self.groups is None else self._known(y)]
        if np.bincount(y).min() >= N_FOLDS:
            views.append(self._cross_fitted(linear, y))
            known.append(self._known(y))
        used = np.array(known)
        used[:, ~used.any(axis=0)] = True
        total = np.sum(np.array(views) * used[:, :, None], axis=0)
        return total / used.sum(axis=0)[:, None], elsewhere

    def residual_deviations(self, y, limit, n_rounds=3):
        """Absolute residuals in local robust deviations, from the three views together.

        The views count by their precision. Rows beyond the limit are left out of the
        models of the next round.
        """
        good = np.ones(len(y), dtype=bool)
        for _ in range(n_rounds):
            views = np.stack(
                [
                    self._forest_means(y, good),
                    self._neighbor_medians(y, good),
                    self._cross_fitted(Ridge(tol=1e-8), y, good),
                ]
            )
            errors = np.median(np.abs(y - views)[:, good], axis=1)
            precisions = 1 / np.maximum(errors, 1e-3 * errors.max() or 1.0) ** 2
            predictions = np.average(views, axis=0, weights=precisions)
            deviations = local_deviations(y, predictions)
            before, good = good, deviations <= limit
            counted = good if self.weights is None else good & (self.weights > 0)
            if not counted.any() or np.array_equal(before, good):
                break
        return deviations

    def _neighbors(self, context):
        """Positions of near rows, and which of them count: never the row's own group."""
        points, n = self.points, self.points.shape[0]
        if n <= EXACT_UP_TO:
            found = context.neighbor_graph(points, 32, n_jobs=self.n_jobs).indices
        else:
            keys = row_keys(derive_seed(self.seed, "references"), n)
            references = np.sort(np.argsort(keys, kind="stable")[:N_REFERENCES])
            finder = NearestNeighbors(n_neighbors=33, algorithm="brute")
            finder.fit(points[references])
            found = references[finder.kneighbors(points, return_distance=False)]
        counts = found != np.arange(n)[:, None]
        if self.groups is not None:
            counts &= self.groups[found] != self.groups[:, None]
        return found, counts

    def _nearest_that_count(self, among=None):
        """Mask of the 15 nearest neighbours that count, of those among a set of rows."""
        counts = self.counts
        if self.weights is not None:
            counts = counts & (self.weights[self.neighbors] > 0)
        if among is not None:
            counts = counts & among[self.neighbors]
        return counts & (np.cumsum(counts, axis=1) <= N_NEIGHBORS)

    def _votes(self, y):
        n, n_classes = len(y), y.max() + 1
        counted = self._nearest_that_count()
        weights = (
            counted if self.weights is None else counted * self.weights[self.neighbors]
        )
        cells = np.arange(n)[:, None] * n_classes + y[self.neighbors]
        votes = np.bincount(cells.ravel(), weights.ravel(), n * n_classes)
        return _normalized(votes.reshape(n, n_classes))

    def _neighbor_medians(self, y, among):
        counted = self._nearest_that_count(among)
        values = np.where(counted, y[self.neighbors], np.nan)
        medians = np.full(len(y), np.median(y[among]))
        found = counted.any(axis=1)
        medians[found] = np.nanmedian(values[found], axis=1)
        return medians

    def _forest(self, forest, y):
        n = len(y)
        return forest.set_params(
            n_estimators=N_TREES,
            min_samples_leaf=3,
            max_samples=min(n, TREE_ROWS),
            oob_score=self.groups is None,
            n_jobs=self.n_jobs,
            random_state=derive_seed(self.seed, "forest"),
        )

    def _forest_probabilities(self, y):
        forest = self._forest(RandomForestClassifier(), y)
        if self.groups is not None:
            return self._cross_fitted(forest, y)
        _fit(forest, self.points, y, self.weights)
        return _normalized(np.nan_to_num(forest.oob_decision_function_))

    def _forest_means(self, y, among):
        forest = self._forest(RandomForestRegressor(), y)
        weights = None if self.weights is None else self.weights[among]
        if self.groups is not None:
            return self._cross_fitted(forest, y, among)
        _fit(forest, self.points[among], y[among], weights)
        means = np.empty(len(y))
        means[among] = forest.oob_prediction_
        if not among.all():
            forest.set_params(n_jobs=1)  # threads would add up in any order
            means[~among] = forest.predict(self.points[~among])
        return means

    def _cross_fitted(self, model, y, among=None):
        """Class probabilities, or predictions, by models of the other folds."""
        is_classes = hasattr(model, "predict_proba")
        among = np.ones(len(y), dtype=bool) if among is None else among
        if self.weights is not None:
            among = among & (self.weights > 0)
        output = np.zeros((len(y), y.max() + 1) if is_classes else len(y))
        folds = self._folds(y if is_classes else np.zeros(len(y), dtype=np.int64))
        for fold in range(folds.max() + 1):
            held_out, rows = folds == fold, among & (folds != fold)
            target = y[rows]
            if not len(target):  # whatever counts is held out: no opinion
                output[held_out] = 1 / output.shape[1] if is_classes else y[among].mean()
                continue
            if np.all(target == target[0]):
                if is_classes:
                    output[held_out, target[0]] = 1.0
                else:
                    output[held_out] = target[0]
                continue
            weights = None if self.weights is None else self.weights[rows]
            fitted = _fit(clone(model), self.points[rows], target, weights)
            if hasattr(fitted, "n_jobs"):
                fitted.set_params(n_jobs=1)
            if is_classes:
                cells = np.ix_(held_out, fitted.classes_)
                output[cells] = fitted.predict_proba(self.points[held_out])
            else:
                output[held_out] = fitted.predict(self.points[held_out])
        return output

    def _known(self, y):
        """Whether the models of the other folds are fitted on the class of the row."""
        counted = np.ones(len(y), dtype=bool) if self.weights is None else self.weights > 0
        return class_is_elsewhere(y, self._folds(y), counted)

    def _folds(self, strata):
        """Number of the fold of each row; groups stay together, else strata spread."""
        unit = np.arange(len(strata)) if self.groups is None else self.groups
        n_units = unit.max() + 1
        keys = row_keys(derive_seed(self.seed, "folds"), n_units)
        first = np.zeros(n_units, dtype=np.int64)
        first[unit] = strata
        order = np.lexsort((keys, first))
        fold = np.empty(n_units, dtype=np.int64)
        fold[order] = np.arange(n_units) % N_FOLDS
        return fold[unit]


def _fit(model, X, y, weights):
    with warnings.catch_warnings():
        # A hundred steps will do; few rows may be in the bags of all trees.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("ignore", message="Some inputs do not have OOB")
        warnings.simplefilter("ignore", UndefinedMetricWarning)  # of a single row
        return model.fit(X, y, sample_weight=weights)


def local_deviations(y, predictions):
    """Absolute residuals in robust deviations of rows with a similar prediction."""
    residuals = np.abs(y - predictions)
    order = np.argsort(predictions, kind="stable")
    window = min(len(y), max(51, min(501, len(y) // 5)))
    typical = np.empty_like(residuals)
    typical[order] = median_filter(residuals[order], size=window, mode="nearest")
    overall = np.median(residuals)
    if overall == 0:
        overall = residuals.mean()
    floor = max(0.1 * overall, 1e-10 * np.ptp(y) + 1e-14 * np.abs(y).max())
    return residuals / (1.4826 * np.maximum(typical, floor) + np.finfo(float).tiny)


def _normalized(votes):
    total = votes.sum(axis=1, keepdims=True)
    return np.where(total > 0, votes / np.where(total > 0, total, 1), 1 / votes.shape[1])
