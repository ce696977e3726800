"""Rank the units of a net by what reaches the next layer."""

from sklearn_prune.weight_pruning.criteria._base import Criterion, check_scope


class ActivationCriterion(Criterion):
    """Keep the units of a net whose output varies and is read with large weights.

    The score of a neuron, channel or input is the variance of its output over rows times
    the sum of squares of the weights that read it: what the next layer would miss, had
    its bias made up for the mean [1]_. A unit that is always off scores zero.

    Parameters
    ----------
    scope : {"layer", "global"}, default="layer"
        Whether each layer loses the same share, or scores compete over all layers. For
        neurons and channels only "layer" is possible: under "global" whole layers go.

    See Also
    --------
    MagnitudeCriterion : The size of the weights alone.

    Notes
    -----
    Cost: one pass of at most 2,000 rows through the net.

    References
    ----------
    .. [1] Hu, Peng, Tai, Tang (2016). Network trimming: a data-driven neuron pruning
       approach towards efficient deep architectures. arXiv:1607.03250.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neural_network import MLPClassifier
    >>> from sklearn_prune import PrunedClassifier
    >>> from sklearn_prune.weight_pruning import ActivationCriterion
    >>> X, y = load_iris(return_X_y=True)
    >>> net = MLPClassifier((20,), solver="lbfgs", max_iter=500)
    >>> model = PrunedClassifier(
    ...     net, ActivationCriterion(), unit="neuron", keep=4, random_state=0
    ... ).fit(X, y)
    >>> len(model.kept_)
    4
    """

    needs = "activations"

    def __init__(self, scope="layer"):
        self.scope = scope

    def _by_layer(self, unit):
        check_scope(self.scope, ("layer", "global"), unit)
        return self.scope == "layer"

    def _scores(self, family, work, unit, context):
        return family.activations(work, unit, context)
