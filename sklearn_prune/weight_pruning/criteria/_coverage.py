"""Rank the points that a model stores by how well they cover them all."""

import numpy as np

from sklearn_prune._coverage import (
    covering_order,
    herding_order,
    k_center_order,
    medoid_order,
)
from sklearn_prune._ranking import Ranking
from sklearn_prune._sklearn_compat import InvalidParameterError
from sklearn_prune.weight_pruning.criteria._base import Criterion, check_none_missing

ORDERS = ("medoid", "herding", "k_center")


class CoverageCriterion(Criterion):
    """Keep the support vectors or prototypes that cover the others.

    Parameters
    ----------
    order : {"medoid", "herding", "k_center"}, default="medoid"
        Medoids of ever finer k-means clusters [3]_, herding [2]_, whose means follow the
        mean of all points, or farthest-first traversal [1]_, which leaves no point far
        from a kept one.

    See Also
    --------
    MagnitudeCriterion : Keep those with large coefficients.

    Notes
    -----
    Cost: O(n_points * n_features * log(n_points)) for medoids, otherwise
    O(n_points**2 * n_features) in blocks. Classes are covered apart and merged in
    proportion.

    References
    ----------
    .. [1] Gonzalez (1985). Clustering to minimize the maximum intercluster distance.
       Theoretical Computer Science 38.
    .. [2] Welling (2009). Herding dynamical weights to learn. ICML.
    .. [3] Zhang, Kwok (2010). Clustered Nystrom method for large scale manifold learning
       and dimension reduction. IEEE Transactions on Neural Networks 21.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> from sklearn_prune import PrunedClassifier
    >>> from sklearn_prune.weight_pruning import CoverageCriterion
    >>> X, y = load_iris(return_X_y=True)
    >>> model = PrunedClassifier(
    ...     SVC(), CoverageCriterion(), unit="support_vector", keep=20
    ... )
    >>> len(model.fit(X, y).kept_)
    20
    """

    needs = "points"

    def __init__(self, order="medoid"):
        self.order = order

    def _rank(self, family, work, unit, context):
        if self.order not in ORDERS:
            raise InvalidParameterError(
                f"order must be one of {', '.join(map(repr, ORDERS))}. Got {self.order!r} "
                "instead."
            )
        points, codes = family.points(work, unit, context)
        points = np.ascontiguousarray(points, dtype=np.float64)
        check_none_missing(points, type(self).__name__)
        if codes is None or codes.dtype.kind == "f":
            codes = np.zeros(len(points), dtype=np.int64)
        seed = context.role_seed("coverage")

        def order_of(positions):
            part = points[positions]
            if self.order == "k_center":
                return positions[k_center_order(part)]
            order = medoid_order if self.order == "medoid" else herding_order
            return positions[order(part, seed=seed)]

        return Ranking(covering_order(points, codes, order_of))
