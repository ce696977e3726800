"""Rank the members of an ensemble by what they contribute to it."""

from sklearn_prune._sklearn_compat import InvalidParameterError
from sklearn_prune.weight_pruning.criteria._base import Criterion

MEASURES = ("reduced_error", "complementarity", "margin")


class ContributionCriterion(Criterion):
    """Keep the members of an ensemble that help it most.

    The order grows from nothing, one member at a time. Where an ensemble knows the rows
    that each member was trained on, as bagged trees do, members are scored on the other
    rows. Iterations of boosting are scored on the training rows.

    Parameters
    ----------
    measure : {"reduced_error", "complementarity", "margin"}, default="reduced_error"
        Which member comes next: the one that leaves the smallest error [1]_, the one
        that is right where the chosen ones are wrong [2]_, or the one whose votes bring
        the vector of margins closest to where all rows are right [2]_. For regression
        the last two are the residual's.

    See Also
    --------
    RandomCriterion : As good for forests with many trees left.

    Notes
    -----
    Cost: O(n_members**2 * n_samples) after one prediction of each member. Trees of a
    random forest are exchangeable: expect a gain below one point, and none for large
    `keep`.

    References
    ----------
    .. [1] Margineantu, Dietterich (1997). Pruning adaptive boosting. ICML.
    .. [2] Martinez-Munoz, Hernandez-Lobato, Suarez (2009). An analysis of ensemble pruning
       techniques based on ordered aggregation. IEEE TPAMI 31.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_prune import PrunedClassifier
    >>> from sklearn_prune.weight_pruning import ContributionCriterion
    >>> X, y = load_iris(return_X_y=True)
    >>> model = PrunedClassifier(
    ...     RandomForestClassifier(20, random_state=0), ContributionCriterion(),
    ...     unit="tree", keep=5, random_state=0,
    ... )
    >>> len(model.fit(X, y).kept_)
    5
    """

    needs = "contributions"

    def __init__(self, measure="reduced_error"):
        self.measure = measure

    def _rank(self, family, work, unit, context):
        if self.measure not in MEASURES:
            raise InvalidParameterError(
                f"measure must be one of {', '.join(map(repr, MEASURES))}. Got "
                f"{self.measure!r} instead."
            )
        return family.contributions(work, unit, self.measure, context)
