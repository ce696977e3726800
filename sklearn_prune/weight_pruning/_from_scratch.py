"""The model of the pruned size that is trained from scratch: a control of pruning."""

from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from sklearn_prune.predictors import CompactColumns, CompactModel
from sklearn_prune.weight_pruning._registry import family_of


@dataclass(frozen=True)
class WantedSize:
    """How large a model was, and how large one trained from scratch should be.

    Parameters
    ----------
    before, after : float
        How many numbers the whole model and the pruned one store.
    compact : Compact
        The pruned model, which knows columns, classes and outputs.
    n_iterations : float or None
        How many iterations of boosting the whole model had, where that is known.
    """

    before: float
    after: float
    compact: object
    n_iterations: float | None = None

    @property
    def share(self):
        """The size after, as a share of that before."""
        return self.after / max(1.0, self.before)

    @property
    def predictor(self):
        """The predictor behind those that drop columns."""
        compact = self.compact
        while isinstance(compact, CompactColumns):
            compact = compact.inner_
        return compact

    @property
    def n_features(self):
        """How many columns the model reads before any are dropped."""
        return self.compact.n_features_in_

    @property
    def n_votes(self):
        """How many numbers a leaf of a decision tree stores."""
        compact = self.predictor
        classes = getattr(compact, "classes_", None)
        if classes is None:
            return compact.n_outputs_
        return len(classes) if compact.n_outputs_ == 1 else sum(map(len, classes))

    def of_members(self, members):
        """The mean of some members of a container, which are clones of one model."""
        sizes = [member.n_parameters() for member in members]
        after = float(np.mean(sizes))
        only_these = self.n_iterations and len(members) == len(self.predictor.members_)
        return WantedSize(
            before=after if self.share == 1 else after / self.share,
            after=after,
            compact=members[int(np.argmax(sizes))],
            n_iterations=self.n_iterations / len(members) if only_these else None,
        )


def smaller_from_scratch(estimator, fitted):
    """The unfitted inner model that becomes about as large as a pruned one.

    `fitted` is a fitted clone of the unfitted Pruned* `estimator`. The result has fewer
    trees, leaves, iterations or neurons, and all else as it was but for the learning rate
    of boosting; it is a plain clone where nothing was pruned. It is None where no parameter
    of the inner model says how large it becomes, or where it is frozen.

    Notes
    -----
    The size is the number of parameters in `report_`, of which the small model stores the
    same within a few percent, where there are models of that size: at least one unit is
    left in each hidden layer, for instance. Bytes depend on the values, too.
    """
    before, after = (
        getattr(fitted.report_, when)["parameters"] for when in ("before", "after")
    )
    n_iterations = getattr(fitted, "n_iter_", None)
    if fitted.unit_ == "iteration":
        n_iterations = fitted.n_units_
    if np.ndim(n_iterations):
        n_iterations = None
    size = WantedSize(before, min(before, after), fitted.compact_, n_iterations)
    return smaller_model(estimator.estimator, size)


def smaller_model(estimator, size):
    """The unfitted model at another size, or None; containers ask it for members."""
    if isinstance(estimator, FrozenEstimator) or isinstance(size.predictor, CompactModel):
        return None
    family, _ = family_of(estimator)
    smaller = family.from_scratch(estimator, size)
    nothing_pruned = size.after == size.before
    return clone(estimator) if smaller is not None and nothing_pruned else smaller
