"""Rank input features by what shuffling them costs."""

from sklearn_prune.weight_pruning.criteria._base import Criterion


class PermutationCriterion(Criterion):
    """Keep the features whose shuffling costs the model most [1]_.

    The model is fitted on the inner folds and asked about rows that it has not seen, with
    one column at a time shuffled; a frozen model is asked about all rows.

    Parameters
    ----------
    n_repeats : int, default=5
        Number of times that each column is shuffled.

    See Also
    --------
    MagnitudeCriterion : For models with coefficients.

    Notes
    -----
    Cost: `cv` fits, and ``n_repeats * n_features`` predictions of the rows. Of two
    features that carry the same, both cost little: ranking in rounds helps
    (`IterativeSchedule`).

    References
    ----------
    .. [1] Breiman (2001). Random forests. Machine Learning 45.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn_prune import PrunedClassifier
    >>> from sklearn_prune.weight_pruning import PermutationCriterion
    >>> X, y = load_iris(return_X_y=True)
    >>> model = PrunedClassifier(
    ...     GaussianNB(), PermutationCriterion(), unit="feature", random_state=0
    ... )
    >>> model.fit(X, y).kept_
    array([2, 3])
    """

    needs = "shuffling_losses"

    def __init__(self, n_repeats=5):
        self.n_repeats = n_repeats

    def _scores(self, family, work, unit, context):
        return family.shuffling_losses(work, unit, self.n_repeats, context)
