"""Kernel machines: a basis of stored rows is chosen, its coefficients are refitted."""

from dataclasses import replace

import numpy as np
from scipy.sparse import issparse
from sklearn.base import is_regressor

from sklearn_prune._ranking import budget_size
from sklearn_prune.weight_pruning._family import (
    Accepted,
    Family,
    Refused,
    Restores,
    UnitTable,
)
from sklearn_prune.weight_pruning.criteria import (
    CoverageCriterion,
    MagnitudeCriterion,
    PenaltyCriterion,
    RandomCriterion,
    SecondOrderCriterion,
)
from sklearn_prune.weight_pruning.families._kernel_start import (
    reason_against,
    start_kernel_ridge,
    start_libsvm,
    start_process,
)

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
            from sklearn_prune.weight_pruning.families._gaussian_process import (
                start_classes,
            )

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
        from sklearn_prune.weight_pruning.families._kernel_losses import refit_machine

        coefficients, offsets, traits = refit_machine(work, context)
        return replace(
            work,
            coefficients=coefficients,
            offsets=offsets,
            traits=work.traits | traits,
            refitted=True,
        )

    def compact(self, work):
        from sklearn_prune.weight_pruning.families._kernel_compact import compact_machine

        return compact_machine(work)

    def restore(self, compact, template):
        from sklearn_prune.weight_pruning.families._kernel_restore import restored

        return restored(compact, template)

    def points(self, work, unit, context):
        points = work.points.toarray() if issparse(work.points) else work.points
        return points, work.codes

    def weights(self, work, unit, context):
        return np.abs(work.coefficients)

    def removal_losses(self, work, unit, context):
        from sklearn_prune.weight_pruning.families._kernel_ranks import removal_losses

        return removal_losses(work)

    def penalised(self, work, unit, penalty, context):
        from sklearn_prune.weight_pruning.families._kernel_ranks import penalised_strengths

        return work, penalised_strengths(work, penalty)


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
