"""Rank parameters at random: the control that any other criterion has to beat."""

from sklearn_prune._ranking import Ranking
from sklearn_prune._seeds import derive_seed, draw_seed, row_keys
from sklearn_prune.weight_pruning.criteria._base import Criterion


class RandomCriterion(Criterion):
    """Keep units drawn at random.

    Parameters
    ----------
    random_state : int, RandomState instance or None, default=None
        None takes the seed of the meta-estimator.

    See Also
    --------
    MagnitudeCriterion : Keep the large ones.

    Notes
    -----
    Cost: O(n_units). With one seed, smaller draws lie inside larger ones.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_prune import PrunedClassifier
    >>> from sklearn_prune.weight_pruning import RandomCriterion
    >>> X, y = load_iris(return_X_y=True)
    >>> model = PrunedClassifier(
    ...     LogisticRegression(), RandomCriterion(), unit="feature", random_state=0
    ... )
    >>> int(model.fit(X, y).get_support().sum())
    2
    """

    def __init__(self, random_state=None):
        self.random_state = random_state

    def _rank(self, family, work, unit, context):
        seed = context.seed if self.random_state is None else draw_seed(self.random_state)
        seed = draw_seed(None) if seed is None else seed
        n_units = len(family.table(work, unit, context).ids)
        keys = row_keys(derive_seed(seed, "random-units"), n_units)
        return Ranking.from_scores(-keys)
