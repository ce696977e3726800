"""How kernel machines and Gaussian processes are pruned."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy.linalg import cho_solve
from scipy.sparse import issparse
from sklearn.base import is_regressor

from sklearn_prune._ranking import budget_size
from sklearn_prune.models.kernel.gaussian_process import start_classes
from sklearn_prune.models.kernel.refit import between_points, refit_machine, root_of
from sklearn_prune.models.kernel.restore import restored
from sklearn_prune.models.kernel.start import (
    reason_against,
    start_kernel_ridge,
    start_libsvm,
    start_process,
)
from sklearn_prune.predictors import CSR, CompactProcess, CompactSVC, CompactSVR
from sklearn_prune.weight_pruning import Accepted, Family, Refused, Restores, UnitTable
from sklearn_prune.weight_pruning.criteria import (
    CoverageCriterion,
    MagnitudeCriterion,
    PenaltyCriterion,
    RandomCriterion,
    SecondOrderCriterion,
)

_SMALL = (np.uint8, np.int8, np.float32)
_UNSURE = 1e-12  # of the largest possible value: rounding may decide the sign below
_SHRINKAGE = (0.3, 0.1, 0.03, 0.01)  # of the penalty at which all points are gone
_STEPS = 60
_RIDGE = 1.0
_SHARES = (0.5, 0.35, 0.25, 0.17, 0.12, 0.08, 0.05, 0.03, 0.02)
_SHARES_OF_MANY_CLASSES = (0.5, 0.35, 0.2, 0.1)
_MANY = 10  # classes from which on the refits of all pairs take most of the time
_LARGEST_TRIED = 400  # points in a sum that all rows are refitted on at once


class KernelFamily(Restores, Family):
    """SVC, NuSVC, SVR, NuSVR, KernelRidge and Gaussian processes, by their stored rows.

    The refit minimises the estimator's own objective over functions of the basis: hinge
    loss (its corner rounded) of each pair of classes, epsilon-insensitive loss, or squared
    errors; the penalty is the norm of the function in the space of the kernel, as in the
    full model. A basis row of a classifier serves the pairs of its own class, as a support
    vector does. Without refit, what is left of a kernel machine is of little use. A narrow
    kernel in many dimensions is not to be had from few points, with or without one.

    Gaussian process classifiers are the exception: the mode is found again on the kept rows
    alone. Regressors have a spread only where no row is gone.
    """

    units = ("support_vector",)
    validates_float = True
    criteria = {
        "support_vector": (
            CoverageCriterion,
            SecondOrderCriterion,
            PenaltyCriterion,
            MagnitudeCriterion,
            RandomCriterion,
        )
    }
    offers = {"support_vector": ("points", "removal_losses", "penalised", "weights")}

    def accepts(self, model):
        reason = reason_against(model)
        if reason is not None:
            return Refused(reason)
        return Accepted(KernelRegressorFamily() if is_regressor(model) else self)

    def start(self, model, context):
        if hasattr(model, "base_estimator_"):
            return start_classes(model)
        if hasattr(model, "alpha_"):
            return start_process(model)
        if hasattr(model, "X_fit_"):
            return start_kernel_ridge(model)
        return start_libsvm(model)

    def table(self, work, unit, context):
        n, columns = len(work.ids), work.coefficients.shape[1]
        numbers = np.full(n, work.traits["n_features"] + columns, dtype=np.int64)
        if issparse(work.points):
            numbers = np.diff(work.points.indptr) + columns
        return UnitTable(work.ids, numbers, len(work.offsets), work.codes)

    def auto_shares(self, work, unit, context):
        n = len(work.ids)
        n_classes = len(work.traits.get("classes", ()))
        if n_classes >= _MANY:
            shares = _SHARES_OF_MANY_CLASSES
        else:
            limit = max(_LARGEST_TRIED * max(1, n_classes / 2), 0.02 * n)
            shares = [share for share in _SHARES if share * n <= limit]
        sizes = {budget_size(share, n): share for share in sorted(shares)}
        return tuple(sorted(set(sizes.values()), reverse=True))

    def apply(self, work, unit, kept, context):
        return work.taking(kept)

    def refit(self, work, unit, context):
        if work.kind == "process classes":
            return work.refitted_alone()
        coefficients, offsets, traits = refit_machine(work, context)
        return replace(
            work,
            coefficients=coefficients,
            offsets=offsets,
            traits=work.traits | traits,
            refitted=True,
        )

    def compact(self, work):
        return work.compact() if work.kind == "process classes" else _compact(work)

    def restore(self, compact, template):
        return restored(compact, template)

    def points(self, work, unit, context):
        points = work.points.toarray() if issparse(work.points) else work.points
        return points, work.codes

    def weights(self, work, unit, context):
        return np.abs(work.coefficients)

    def removal_losses(self, work, unit, context):
        """Squared change of the function without a point, with the others refitted.

        It is the sum of w**2 / [K^-1]_ww over the coefficients w of the point, for the
        kernel matrix K of the points of its class. O(n_points**3) for each class.
        """
        losses = np.empty(len(work.ids))
        for own, matrix, coefficients in _by_class(work):
            root = root_of(
                matrix + 1e-6 * np.trace(matrix) / len(matrix) * np.eye(len(matrix))
            )
            inverse = cho_solve((root, True), np.eye(len(matrix)), overwrite_b=True)
            losses[own] = (coefficients**2).sum(axis=1) / np.diag(inverse)
        return losses

    def penalised(self, work, unit, penalty, context):
        """Size of the coefficients of each point under a penalty [1]_.

        The function of each class is approximated in the space of the kernel by fewer
        (l1, all coefficients of a point together) or smaller (l2) coefficients. For l1 it
        is the mean over four strengths: points that stay longest come first.

        References
        ----------
        .. [1] Scholkopf, Mika, Burges, et al. (1999). Input space versus feature space in
           kernel-based methods. IEEE Transactions on Neural Networks 10.
        """
        strengths = np.empty(len(work.ids))
        for own, matrix, coefficients in _by_class(work):
            wanted = matrix @ coefficients
            if penalty == "l2":
                ridge = _RIDGE * np.trace(matrix) / len(matrix) * np.eye(len(matrix))
                found = cho_solve((root_of(matrix + ridge), True), wanted)
                strengths[own] = np.linalg.norm(found, axis=1)
            else:
                strengths[own] = _lasso_path(matrix, wanted)
        return work, strengths


class KernelRegressorFamily(KernelFamily):
    """Regressors, whose coefficients say more than the places of their points."""

    criteria = {
        "support_vector": (
            MagnitudeCriterion,
            CoverageCriterion,
            SecondOrderCriterion,
            PenaltyCriterion,
            RandomCriterion,
        )
    }


def _compact(work):
    """Float64 as it was fitted; float32, centred, where it was refitted."""
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
    compact.points_ = CSR.of(points) if issparse(points) else smallest(points)
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


def _lasso_path(matrix, wanted):
    """Mean size of each row along the path of the group lasso; accelerated gradients."""
    limit = _largest_eigenvalue(matrix)
    largest = np.linalg.norm(wanted, axis=1).max()
    found = np.zeros_like(wanted)
    total = np.zeros(len(matrix))
    for share in _SHRINKAGE:
        threshold = share * largest / limit
        ahead, pace = found, 1.0
        for _ in range(_STEPS):
            moved = ahead - (matrix @ ahead - wanted) / limit
            size = np.linalg.norm(moved, axis=1, keepdims=True)
            new = moved * np.maximum(0, 1 - threshold / np.maximum(size, 1e-300))
            faster = (1 + np.sqrt(1 + 4 * pace**2)) / 2
            ahead = new + (pace - 1) / faster * (new - found)
            found, pace = new, faster
        size = np.linalg.norm(found, axis=1)
        total += size / max(size.max(), 1e-300)
    return total / len(_SHRINKAGE)


def _largest_eigenvalue(matrix, n_steps=20):
    vector = np.ones(len(matrix))
    for _ in range(n_steps):
        vector = matrix @ (vector / np.linalg.norm(vector))
    return 1.1 * np.linalg.norm(vector) + 1e-300


def _by_class(work):
    """For each class: its points, their kernel matrix, their coefficients."""
    codes = np.zeros(len(work.ids), dtype=np.int64) if work.codes is None else work.codes
    coefficients = work.coefficients
    for code in np.unique(codes):
        own = np.flatnonzero(codes == code)
        kernel = getattr(work, "kernel", None)
        if kernel is None:  # several latent functions: the first one's
            kernel = work.members[0].kernel
            points = work.points[own]
            yield own, kernel(points, points.copy()), coefficients[own]
        else:
            yield own, between_points(kernel, work.points[own]), coefficients[own]
