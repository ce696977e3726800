"""The standalone predictor of a working kernel machine."""

from itertools import pairwise

import numpy as np
from scipy.sparse import issparse

from sklearn_prune.weight_pruning.compact._kernel import CompactSVC, CompactSVR
from sklearn_prune.weight_pruning.compact._process import CompactProcess

_SMALL = (np.uint8, np.int8, np.float32)
_UNSURE = 1e-12  # of the largest possible value: rounding may decide the sign below


def compact_machine(work):
    """Float64 as it was fitted; float32, centred, where it was refitted."""
    if work.kind == "process classes":
        return work.compact()
    if work.kind == "svc":
        compact = _classifier(work)
    elif work.kind == "process":
        compact = CompactProcess()
        compact.noise_ = work.traits["alpha"]
        compact.whole_ = len(work.ids) == work.traits["n_fitted"]
        compact.scale_ = work.traits["scale"]
        compact.flat_ = work.traits["flat"]
    else:
        compact = CompactSVR()
        compact.flat_ = work.traits.get("flat", True)
    compact.kernel_ = work.kernel
    compact.offsets_ = work.offsets
    compact.n_features_in_ = work.traits["n_features"]
    if "names" in work.traits:
        compact.feature_names_in_ = work.traits["names"]
    single = work.kind == "svc" and work.refitted and _is_tame(work)
    compact.precision_ = np.float32 if single else np.float64
    compact.center_ = None
    compact.sparse_ = issparse(work.points)
    if work.kernel.name == "linear":
        compact.points_ = None
        compact.coefficients_ = _primal(work)
        return compact
    points, coefficients = work.points, work.coefficients
    if single:
        if work.kernel.centres and not issparse(points):
            compact.center_ = points.mean(axis=0)
            points = points - compact.center_
        points, coefficients = points.astype(np.float32), coefficients.astype(np.float32)
    compact.points_ = points if issparse(points) else smallest(points)
    compact.coefficients_ = coefficients
    return compact


def _classifier(work):
    compact = CompactSVC()
    traits = work.traits
    compact.classes_ = traits["classes"]
    compact.n_support_ = np.bincount(work.codes, minlength=len(compact.classes_))
    compact.probability_ = traits["probability"]
    compact.shape_, compact.break_ties_ = traits["shape"], traits["break_ties"]
    compact.exact_ = None if work.refitted else _sure_from(work)
    return compact


def _sure_from(work):
    """The absolute value from which rounding cannot change a sign, or None."""
    if work.kernel.name not in ("rbf", "sigmoid") or issparse(work.points):
        return None
    return _UNSURE * float(np.abs(work.coefficients).sum(axis=0).max())


def _is_tame(work):
    """Whether sums in float32 are right to about a hundredth of the margin."""
    largest = np.abs(work.coefficients).sum(axis=0).max()
    return work.kernel.name in ("rbf", "sigmoid", "laplacian", "linear") and largest < 1e5


def _primal(work):
    """Coefficients of the features: one column for each output or pair of classes."""
    points = work.points
    if work.kind != "svc" or len(work.traits["classes"]) == 2:
        return np.ascontiguousarray(np.asarray(points.T @ work.coefficients))
    n_classes = len(work.traits["classes"])
    ends = np.concatenate([[0], np.cumsum(np.bincount(work.codes, minlength=n_classes))])
    sums = [
        points[start:end].T @ work.coefficients[start:end] for start, end in pairwise(ends)
    ]
    pairs = zip(*np.triu_indices(n_classes, 1), strict=True)
    columns = [sums[low][:, high - 1] + sums[high][:, low] for low, high in pairs]
    return np.stack(columns, axis=1)


def smallest(values):
    """The values in the smallest dtype that holds each of them exactly."""
    for dtype in _SMALL:
        with np.errstate(over="ignore", invalid="ignore"):
            narrow = values.astype(dtype)
        if np.array_equal(narrow, values):
            return narrow
    return values
