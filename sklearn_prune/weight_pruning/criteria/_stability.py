"""Rank rules by how often halves of the rows lead to them."""

from numbers import Integral

from sklearn_prune._ranking import Ranking
from sklearn_prune._sklearn_compat import InvalidParameterError
from sklearn_prune.weight_pruning.criteria._base import Criterion


class StabilityCriterion(Criterion):
    """Keep the rules that most often occur when the model is trained on half of the rows.

    Clones of the model are fitted on random halves of the rows, two complementary ones at
    a time [2]_. The rules of all clones are candidates, and those of the most splits are
    kept [1]_. Thresholds are moved to quantiles of all rows first, since no two halves
    choose the same number.

    Parameters
    ----------
    n_resamples : int, default=20
        Number of halves.
    n_bins : int or None, default=10
        Thresholds of a feature are moved to the nearest of ``n_bins - 1`` quantiles. None
        leaves them: for features of few values.

    See Also
    --------
    sklearn_prune.StableRulesClassifier : Uses it in one line.
    MagnitudeCriterion : Keep the rules with a large effect in one model.

    Notes
    -----
    Cost: `n_resamples` fits on half of the rows. The inner model should be shallow, and
    should have about as many trees as rules are kept.

    References
    ----------
    .. [1] Benard, Biau, Da Veiga, Scornet (2021). SIRUS: stable and interpretable rule set
       for classification. Electronic Journal of Statistics 15.
    .. [2] Shah, Samworth (2013). Variable selection with error control: another look at
       stability selection. Journal of the Royal Statistical Society B 75.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import GradientBoostingClassifier
    >>> from sklearn_prune import PrunedClassifier
    >>> from sklearn_prune.weight_pruning import StabilityCriterion
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> stumps = GradientBoostingClassifier(n_estimators=8, max_depth=1, random_state=0)
    >>> model = PrunedClassifier(stumps, StabilityCriterion(6), unit="rule", keep=5)
    >>> round(model.fit(X, y).score(X, y), 2)
    0.95
    """

    needs = "frequencies"

    def __init__(self, n_resamples=20, *, n_bins=10):
        self.n_resamples = n_resamples
        self.n_bins = n_bins

    def rank_units(self, family, work, unit, context):
        """Rank the rules of the model and of its clones.

        Parameters
        ----------
        family : Family
            How this kind of model is pruned.
        work : object
            The working form of the model.
        unit : str
            The kind of unit.
        context : PruningContext
            Rows, targets, weights and seed.

        Returns
        -------
        work : object
            The working form with the rules of all clones.
        ranking : Ranking
            Their order.
        """
        for name, smallest in (("n_resamples", 2), ("n_bins", 2)):
            value = getattr(self, name)
            valid = isinstance(value, Integral) and not isinstance(value, bool)
            if name == "n_bins" and value is None:
                continue
            if not valid or value < smallest:
                raise InvalidParameterError(
                    f"{name} must be an int of at least {smallest}. Got {value!r}. Write "
                    f"{name}={20 if name == 'n_resamples' else 10}."
                )
        work, counts = family.frequencies(
            work, unit, self.n_resamples, self.n_bins, context
        )
        return work, Ranking.from_scores(counts)
