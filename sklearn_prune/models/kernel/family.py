"""How kernel machines and Gaussian processes are pruned."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from scipy.linalg import cho_solve
from scipy.sparse import issparse
from sklearn.base import is_regressor
from sklearn.gaussian_process import GaussianProcessClassifier

from sklearn_prune._ranking import budget_size
from sklearn_prune.models.kernel.gaussian_process import start_classes
from sklearn_prune.models.kernel.machines import refit_machine
from sklearn_prune.models.kernel.refit import between_points, root_of
from sklearn_prune.models.kernel.restore import restored
from sklearn_prune.models.kernel.scores import shares_basis
from sklearn_prune.models.kernel.squares import forward_order
from sklearn_prune.models.kernel.start import (
    reason_against,
    start_kernel_ridge,
    start_libsvm,
    start_process,
)
from sklearn_prune.predictors import (
    CSR,
    CompactKernelClassifier,
    CompactProcess,
    CompactSVC,
    CompactSVR,
)
from sklearn_prune.weight_pruning import (
    Accepted,
    Family,
    Refused,
    Restores,
    UnitTable,
    reduce_one_by_one,
)
from sklearn_prune.weight_pruning.criteria import (
    CoverageCriterion,
    ForwardSelectionCriterion,
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
_SHARES = (1 / 100, 1 / 60, 1 / 30, 1 / 16, 1 / 10, 1 / 6, 1 / 4, 1 / 2)
_SINGLE = 128  # points from which on scores are computed in float32
_FEWEST = 30  # points that keep="auto" tries: fewer pass by luck


class KernelFamily(Restores, Family):
    """Kernel machines and Gaussian processes by their stored rows: what all have in common.

    `accepts` names the family of a model.
    """

    units = ("support_vector",)
    validates_float = True
    criteria = {
        "support_vector": (
            *(CoverageCriterion, SecondOrderCriterion, PenaltyCriterion),
            *(MagnitudeCriterion, RandomCriterion),
        )
    }
    offers = {"support_vector": ("points", "removal_losses", "penalised", "weights")}

    def accepts(self, model):
        reason = reason_against(model)
        if reason is not None:
            return Refused(reason)
        if is_regressor(model):
            return Accepted(RegressorFamily())
        if isinstance(model, GaussianProcessClassifier):
            return Accepted(ProcessClassifierFamily())
        return Accepted(MachineFamily(limits_log_loss=model.probability is True))

    def start(self, model, context):
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

    def apply(self, work, unit, kept, context):
        return work.taking(kept)

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


class ProcessClassifierFamily(KernelFamily):
    """Gaussian process classifiers: the mode is found again on the kept rows alone."""

    def start(self, model, context):
        return start_classes(model)

    def refit(self, work, unit, context):
        return work.refitted_alone()

    def compact(self, work):
        return work.compact()


class MachineFamily(KernelFamily):
    """SVC, NuSVC, and all regressors.

    Kept rows are where points start. The refit moves them where the kernel has a gradient,
    X is dense and they are few, and minimises the estimator's own objective over functions
    of the points: hinge loss (its corner rounded), epsilon-insensitive loss, or squared
    errors; the penalty is the norm of the function in the space of the kernel, as in the
    full model. Several classes share the points, with a score for each class and squared
    margins as loss. Without refit, what is left of a kernel machine is of little use.
    """

    def __init__(self, *, limits_log_loss=True):
        # The hinge loss of decision values compares votes of pairs with scores.
        self.limits_log_loss = limits_log_loss

    smallest_first = True
    enough_rows = 1500
    criteria = {
        "support_vector": (
            CoverageCriterion,
            ForwardSelectionCriterion,
            *KernelFamily.criteria["support_vector"][1:],
        )
    }
    offers = {"support_vector": (*KernelFamily.offers["support_vector"], "forward_order")}

    def auto_shares(self, work, unit, context):
        n = len(work.ids)
        fewest = max(_FEWEST, len(work.traits.get("classes", ())))
        sizes = {budget_size(share, n): share for share in _SHARES}
        return tuple(
            share for size, share in sorted(sizes.items(), reverse=True) if size >= fewest
        )

    def reduce(self, work, shares, request, context):
        return list(self._reduced(work, shares, request, context))

    def reduce_each(self, work, shares, requests, context):
        return [self._reduced(work, shares, each, context) for each in requests]

    def _reduced(self, work, shares, request, context):
        """The smaller working forms, each made when it is asked for."""
        by_size = request.unit == "auto"
        if by_size and request.refit and shares_basis(work):
            shares = [_number_of_points(work, share) for share in shares]
        return reduce_one_by_one(
            self, work, self.units[0], shares, request, context, by_size=by_size
        )

    def refit(self, work, unit, context):
        return refit_machine(work, context)

    def compact(self, work):
        return _compact(work)

    def forward_order(self, work, unit, move_points, context):
        """The working form, whose points may be moved or not, and the order of its points.

        See `ForwardSelectionCriterion`.
        """
        return replace(work, stays=not move_points), forward_order(work, context)


class RegressorFamily(MachineFamily):
    """Regressors, whose squared errors say which points are worth keeping."""

    enough_rows = 800
    criteria = {
        "support_vector": (
            ForwardSelectionCriterion,
            CoverageCriterion,
            MagnitudeCriterion,
            *(SecondOrderCriterion, PenaltyCriterion, RandomCriterion),
        )
    }


def _number_of_points(work, share):
    """How many points of the form with a score for each class fit in a share."""
    if not isinstance(share, float):
        return share
    n_classes, columns = len(work.traits["classes"]), work.coefficients.shape[1]
    n, width = len(work.ids), work.traits["n_features"]
    if issparse(work.points):
        width = work.points.nnz / n
    budget = share * (n * (width + columns) + len(work.offsets)) - n_classes
    return min(n, max(2, n_classes, int(budget / (width + n_classes))))


def _compact(work):
    """Float64 as it was fitted; float32, centred, where it was refitted."""
    if work.kind == "svc":
        compact = _classifier(work)
    elif work.kind == "scores":
        compact = CompactKernelClassifier()
        compact.classes_ = work.traits["classes"]
        compact.scale_ = work.traits["probability"]
        compact.shape_ = work.traits["shape"]
        compact.break_ties_ = work.traits["break_ties"]
    elif work.kind == "process":
        compact = CompactProcess()
        compact.noise_ = work.traits["alpha"]
        compact.whole_ = len(work.ids) == work.traits["n_fitted"]
        compact.scale_ = work.traits["scale"]
        compact.flat_ = work.traits["flat"]
        if work.refitted and "spread" in work.traits:
            compact.spread_, compact.exponent_ = work.traits["spread"]
    else:
        compact = CompactSVR()
        compact.flat_ = work.traits.get("flat", True)
    compact.kernel_ = work.kernel
    compact.offsets_ = work.offsets
    compact.n_features_in_ = work.traits["n_features"]
    if "names" in work.traits:
        compact.feature_names_in_ = work.traits["names"]
    single = work.kind in ("svc", "scores") and work.refitted and _is_tame(work)
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
    """Whether sums in float32 are right to about a hundredth of the margin.

    The softmax of scores may multiply their errors, and sums of few points take no time.
    """
    if work.kind == "scores" and (
        work.traits["probability"] is not None or len(work.ids) < _SINGLE
    ):
        return False
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
    codes = work.codes
    if codes is None or work.kind == "scores":
        codes = np.zeros(len(work.ids), dtype=np.int64)
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
