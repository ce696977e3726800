"""The model of the pruned size that is trained from scratch: a control of pruning."""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from sklearn_prune.weight_pruning._family import family_of
from sklearn_prune.weight_pruning.compact._columns import CompactColumns
from sklearn_prune.weight_pruning.compact._model import CompactModel


@dataclass(frozen=True)
class WantedSize:
    """How large a model was, and how large one trained from scratch should be.

    Parameters
    ----------
    before, after : float
        How many numbers a fit of the unfitted model at hand stores, and how many the
        small model should.
    compact : Compact
        A fitted form of the model: it knows columns, classes and outputs.
    n_iterations : float or None
        How many iterations of boosting stand behind `before`, where that is known.
    """

    before: float
    after: float
    compact: object
    n_iterations: float | None = None

    @property
    def share(self):
        """What is left of one."""
        return self.after / max(1.0, self.before)

    @property
    def predictor(self):
        """The compact form behind those that drop columns."""
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
        if getattr(compact, "n_outputs_", 1) == 1:
            return len(classes)
        return sum(map(len, classes))

    def of_members(self, members):
        """The same for one of the members of a container, clones of one model."""
        sizes = [member.n_parameters() for member in members]
        inside = sum(member.n_parameters() for member in self.predictor.members_)
        before = np.mean(sizes) * self.before / max(1, self.predictor.n_parameters())
        n_iterations = self.n_iterations
        if n_iterations is not None:
            n_iterations = n_iterations * sum(sizes) / max(1, inside) / len(members)
        largest = members[int(np.argmax(sizes))]
        return replace(
            self,
            before=before,
            after=before * self.share,
            compact=largest,
            n_iterations=n_iterations,
        )


def smaller_from_scratch(estimator, fitted, n_parameters=None):
    """The unfitted inner model of about the size of a pruned one.

    Parameters
    ----------
    estimator : PrunedClassifier or PrunedRegressor
        Unfitted; its inner model says which class and parameters the small one has.
    fitted : PrunedClassifier or PrunedRegressor
        A fitted clone of it.
    n_parameters : int or None, default=None
        Size that is wanted; None is that of `fitted`.

    Returns
    -------
    estimator or None
        An unfitted clone of the inner model that has been made smaller; a plain clone
        where nothing was pruned; None where the inner model has no parameter that says
        how large it becomes, or is frozen.

    Notes
    -----
    Which numbers are counted is said in `PruningReport`. How large some models become
    is known only when they are fitted, such as boosting whose trees stop early: the
    size can then be corrected by a second call with ``PrunedClassifier(small, keep=1.0)``,
    unfitted and fitted, and `n_parameters`.
    """
    report = fitted.report_
    before = report.before["parameters"]
    after = report.after["parameters"] if n_parameters is None else n_parameters
    inner = estimator.estimator
    if isinstance(inner, FrozenEstimator):
        return None
    n_iterations = getattr(fitted, "n_iter_", None)
    if fitted.unit_ == "iteration":
        n_iterations = fitted.n_units_
    if not isinstance(n_iterations, int | np.integer):
        n_iterations = None
    size = WantedSize(before, after, fitted.compact_, n_iterations)
    if n_parameters is None and after >= before:
        size = replace(size, after=before)
    return smaller_model(inner, size)


def smaller_model(estimator, size):
    """The unfitted model at another size, or None; what containers ask for members."""
    if isinstance(estimator, FrozenEstimator) or isinstance(size.predictor, CompactModel):
        return None
    family, _ = family_of(estimator)
    smaller = family.from_scratch(estimator, size)
    nothing_pruned = size.after == size.before
    return clone(estimator) if smaller is not None and nothing_pruned else smaller
