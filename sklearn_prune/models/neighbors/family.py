"""Nearest neighbours: fewer stored rows, moved so that they stand for all."""

from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from scipy.sparse import issparse
from sklearn.base import is_classifier
from sklearn.neighbors import NearestNeighbors

from sklearn_prune.models.neighbors.glvq import (
    class_means,
    glvq,
    joint_means,
    refitted_targets,
)
from sklearn_prune.models.readers import search_method, stored_rows
from sklearn_prune.predictors import (
    CompactNeighborsClassifier,
    CompactNeighborsRegressor,
    copy_attributes,
    smallest_exact,
)
from sklearn_prune.weight_pruning import (
    Accepted,
    Family,
    Refused,
    Restores,
    UnitTable,
    reduce_unit,
)
from sklearn_prune.weight_pruning.criteria import (
    CoverageCriterion,
    MagnitudeCriterion,
    RandomCriterion,
)

SHARES = (0.5, 0.3, 0.2, 0.14, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01)


@dataclass(frozen=True)
class NeighborsWork:
    """Stored rows and what they stand for.

    Parameters
    ----------
    model : estimator
        The fitted model, read only.
    points : ndarray or CSR matrix of shape (n_prototypes, n_features)
        The rows.
    outputs : ndarray of shape (n_prototypes,) or (n_prototypes, n_outputs)
        Class codes, or targets.
    ids : ndarray of shape (n_prototypes,), int
        Which fitted row each was.
    n_neighbors : int
        How many vote.
    """

    model: object
    points: object
    outputs: np.ndarray
    ids: np.ndarray
    n_neighbors: int

    @property
    def classifies(self):
        """Whether the outputs are class codes."""
        return is_classifier(self.model)


class NeighborsFamily(Restores, Family):
    """k-nearest neighbours: prototypes are rows, which a refit moves.

    The refit draws the kept rows to the means of the rows that they stand for and then
    moves them by GLVQ (classes), or refits their targets (regression), for Euclidean
    distances; with any other metric, sparse rows or several class outputs, rows are
    selected and stay. GLVQ makes the single nearest prototype right: each stands for many
    rows, and inner validation chooses between the model's own number of neighbours and 1.
    """

    units = ("prototype",)
    limits_log_loss = False  # shares of a few votes, which prototypes make fewer
    criteria = {"prototype": (CoverageCriterion, MagnitudeCriterion, RandomCriterion)}
    offers = {"prototype": ("points", "weights")}

    def accepts(self, model):
        if callable(model.weights):
            return Refused("its weights are a function")
        if callable(model.metric):
            return Refused("its metric is a function")
        if model.metric == "precomputed":
            return Refused("its distances are precomputed")
        return Accepted(self)

    def start(self, model, context):
        points, outputs = stored_rows(model)
        if not is_classifier(model):
            outputs = outputs.astype(np.float64, copy=False)
        ids = np.arange(points.shape[0])
        return NeighborsWork(model, points, outputs, ids, model.n_neighbors)

    def table(self, work, unit, context):
        single = work.outputs.ndim == 1
        n_outputs = 1 if single else work.outputs.shape[1]
        sizes = np.full(len(work.ids), work.points.shape[1] + n_outputs)
        groups = work.outputs.astype(np.int64) if work.classifies and single else None
        return UnitTable(work.ids, sizes, groups=groups)

    def apply(self, work, unit, kept, context):
        return replace(
            work,
            points=work.points[kept],
            outputs=work.outputs[kept],
            ids=work.ids[kept],
            n_neighbors=min(work.n_neighbors, len(kept)),
        )

    def refit(self, work, unit, context):
        if not _movable(work):
            return work
        rows = np.asarray(context.array, dtype=np.float64)
        if work.classifies:
            return _refit_classes(work, rows, context)
        row_targets = np.asarray(context.target, dtype=np.float64).reshape(len(rows), -1)
        targets = work.outputs.astype(np.float64).reshape(len(work.ids), -1)
        points, targets = joint_means(work.points, targets, rows, row_targets)
        targets = refitted_targets(
            points, targets, rows, row_targets, work.n_neighbors, work.model.weights
        )
        return replace(
            work, points=_narrowed(points), outputs=targets.reshape(work.outputs.shape)
        )

    def auto_shares(self, work, unit, context):
        least = 1
        if work.classifies:
            classes = work.model.classes_
            least = sum(map(len, classes)) if isinstance(classes, list) else len(classes)
        return tuple(share for share in SHARES if share * len(work.ids) >= least)

    def options(self, work, request, context):
        """Whether prototypes are moved, and how many of them vote."""
        if len(work.ids) < 2 * work.n_neighbors:  # too few for inner folds
            return (None,)
        moves = [True] if request.refit and _movable(work) else [False]
        if request.unit == "auto":
            moves = sorted({*moves, False}, reverse=True)
        elif moves == [False]:
            return (None,)
        voters = dict.fromkeys([work.n_neighbors, 1])
        found = tuple(product(moves, voters))
        return found if len(found) > 1 else (None,)

    def reduce(self, work, shares, request, context):
        moves, n_neighbors = request.option or (request.refit, work.n_neighbors)
        request = replace(request, refit=moves)
        if request.criterion is None and _has_missing(work.points):
            request = replace(request, criterion=MagnitudeCriterion())
        return reduce_unit(
            self,
            replace(work, n_neighbors=n_neighbors),
            "prototype" if request.unit == "auto" else request.unit,
            shares,
            request,
            context,
            by_size=request.unit == "auto",
        )

    def reduce_each(self, work, shares, requests, context):
        """As `reduce` gives; what does not depend on the number of voters is made once."""
        found, shared = [], {}
        for request in requests:
            moves, n_neighbors = request.option or (request.refit, work.n_neighbors)
            key = (moves, n_neighbors if moves and not work.classifies else None)
            if key not in shared:
                shared[key] = self.reduce(work, shares, request, context)
            found.append(
                [
                    replace(smaller, n_neighbors=min(n_neighbors, len(smaller.ids)))
                    for smaller in shared[key]
                ]
            )
        return found

    def compact(self, work):
        untouched = work.points is stored_rows(work.model)[0]
        points, outputs = work.points, work.outputs
        if untouched:  # the arrays may be the user's own
            points, outputs = points.copy(), outputs.copy()
        if not work.classifies:
            compact = _around(CompactNeighborsRegressor(), work.model, points, outputs)
        else:
            classes = work.model.classes_
            most = max(map(len, classes)) if isinstance(classes, list) else len(classes)
            codes = work.outputs.astype(np.min_scalar_type(most - 1))
            compact = _around(CompactNeighborsClassifier(), work.model, points, codes)
            compact.classes_ = classes
        compact.n_neighbors_ = work.n_neighbors
        return compact if untouched else compact.searching_by_products()

    def restore(self, compact, template):
        points = compact._points()
        if hasattr(compact, "feature_names_in_"):
            import pandas as pd

            points = pd.DataFrame(points, columns=compact.feature_names_in_)
        template.set_params(n_neighbors=compact.n_neighbors_)
        if not hasattr(compact, "classes_"):
            return template.fit(points, compact.targets_)
        if compact.codes_.ndim == 1:
            return template.fit(points, compact.classes_[compact.codes_])
        pairs = zip(compact.classes_, compact.codes_.T, strict=True)
        return template.fit(
            points, np.column_stack([classes[codes] for classes, codes in pairs])
        )

    def points(self, work, unit, context):
        """The stored rows, dense, and their codes or targets."""
        points = work.points.toarray() if issparse(work.points) else work.points
        outputs = work.outputs
        if work.classifies and outputs.ndim == 2:  # every combination is a class
            outputs = np.unique(outputs, axis=0, return_inverse=True)[1].ravel()
        return points, outputs

    def weights(self, work, unit, context):
        """How many stored rows each serves: is among their nearest of the same class.

        In regression each that it serves counts by how near its target is, in standard
        deviations.
        """
        served = np.zeros(len(work.ids))
        _, codes = self.points(work, unit, context)
        if work.classifies:
            for code in np.unique(codes):
                own = np.flatnonzero(codes == code)
                if len(own) > 1:
                    found = _stored_neighbors(work, work.points[own])
                    served[own] = np.bincount(found.ravel(), minlength=len(own))
            return served[:, None]
        found = _stored_neighbors(work, work.points)
        targets = work.outputs.reshape(len(found), -1).astype(np.float64)
        spread = targets.std(axis=0)
        targets = targets / np.where(spread > 0, spread, 1.0)
        apart = np.abs(targets[found] - targets[:, None]).mean(axis=2)
        near = np.maximum(0.0, 1.0 - apart)
        return np.bincount(found.ravel(), near.ravel(), minlength=len(found))[:, None]


def _stored_neighbors(work, points):
    """Positions of the nearest others of each point, by the metric of the model."""
    model = work.model
    params = {
        name: value for name, value in model.effective_metric_params_.items() if name != "p"
    }
    finder = NearestNeighbors(
        n_neighbors=min(work.n_neighbors, points.shape[0] - 1),
        algorithm=search_method(model),
        metric=model.effective_metric_,
        p=model.effective_metric_params_.get("p", 2),
        metric_params=params or None,
    )
    return finder.fit(points).kneighbors(return_distance=False)


def _has_missing(points):
    """Whether a stored row has a missing value, of which only the metric knows."""
    return not issparse(points) and points.dtype.kind == "f" and np.isnan(points).any()


def _movable(work):
    """Whether means of rows make sense: dense, Euclidean, one output of classes."""
    single = work.outputs.ndim == 1 or not work.classifies
    return (
        work.model.effective_metric_ == "euclidean" and not issparse(work.points) and single
    )


def _refit_classes(work, rows, context):
    classes = work.model.classes_
    known = np.isin(context.target, classes)
    rows, codes = rows[known], np.searchsorted(classes, context.target[known])
    points = class_means(work.points, work.outputs, rows, codes)
    seed = context.role_seed("prototypes")
    moved = glvq(points, work.outputs, rows, codes, seed=seed)
    return replace(work, points=_narrowed(moved))


def _narrowed(points):
    """Float32, unless a column is far from zero for its spread."""
    narrow = points.astype(np.float32)
    with np.errstate(invalid="ignore"):
        fine = np.abs(narrow - points).max(axis=0) <= 1e-4 * points.std(axis=0)
    return narrow if (fine | (points == points[0]).all(axis=0)).all() else points


def _around(compact, model, points, outputs):
    """A predictor on other points, with the metric and search of a fitted model."""
    copy_attributes(model, compact, "n_features_in_", "feature_names_in_")
    compact.points_ = smallest_exact(points)
    setattr(compact, compact._outputs, outputs)
    compact.n_neighbors_ = model.n_neighbors
    compact.weights_ = model.weights or "uniform"
    compact.search_ = search_method(model)
    compact.leaf_size_ = model.leaf_size
    compact.metric_ = model.effective_metric_
    compact.metric_params_ = deepcopy(model.effective_metric_params_)
    compact.dtype_ = points.dtype.str
    compact._allow_nan = model.effective_metric_ == "nan_euclidean"
    return compact
