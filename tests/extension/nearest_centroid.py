"""Prune scikit-learn's NearestCentroid: a kind of model from outside the package."""

from dataclasses import dataclass, replace

import numpy as np

from sklearn_prune.persistence.export.onnx import Writer, squared_distances
from sklearn_prune.predictors import Compact
from sklearn_prune.weight_pruning import (
    Accepted,
    Family,
    FamilySpec,
    MagnitudeCriterion,
    RandomCriterion,
    Refused,
    UnitTable,
    register_family,
)


class CompactCentroids(Compact):
    """Predict the class of the nearest centroid, on the columns that are kept."""

    __module__ = __name__
    _parameters = ("centroids_",)

    def predict(self, X):
        """Predict the class of each row of X, of shape (n_samples, n_features_in_)."""
        X = self._check(X)[:, self.columns_]
        products = X @ self.centroids_.T
        return self.classes_[np.argmax(products - self.half_norms_, axis=1)]


@dataclass(frozen=True)
class Centroids:
    """The working form: a fitted model of some columns."""

    model: object
    columns: np.ndarray
    n_features: int


class CentroidFamily(Family):
    """NearestCentroid: a unit is a column of the centroids."""

    units = ("column",)
    criteria = {"column": (MagnitudeCriterion, RandomCriterion)}
    offers = {"column": ("weights",)}

    def accepts(self, model):
        if model.metric != "euclidean" or model.priors != "uniform":
            return Refused("only Euclidean centroids with uniform priors have a form")
        return Accepted(self)

    def start(self, model, context):
        n_features = model.n_features_in_
        return Centroids(model, np.arange(n_features), n_features)

    def table(self, work, unit, context):
        n_classes = len(work.model.classes_)
        return UnitTable(work.columns, np.full(len(work.columns), n_classes))

    def apply(self, work, unit, kept, context):
        return replace(work, columns=work.columns[kept])

    def refit(self, work, unit, context):
        return work  # the mean of a column does not depend on the other columns

    def compact(self, work):
        compact = CompactCentroids()
        compact.classes_ = work.model.classes_
        compact.n_features_in_ = work.n_features
        if hasattr(work.model, "feature_names_in_"):  # fitted on a frame
            compact.feature_names_in_ = work.model.feature_names_in_
        compact.columns_ = work.columns
        compact.centroids_ = work.model.centroids_[:, work.columns]
        compact.half_norms_ = (compact.centroids_**2).sum(axis=1) / 2
        return compact

    def weights(self, work, unit, context):
        """How far apart the centroids are in each column, in standard deviations."""
        spread = work.model.centroids_.std(axis=0)
        within = work.model.within_class_std_dev_
        return (spread / np.where(within > 0, within, 1.0))[work.columns, None]


class CentroidWriter(Writer):
    """Write `CompactCentroids` as ONNX operators."""

    def codes(self, rows):
        compact = self.compact
        X = rows.take(compact.columns_).array(self.graph.float)
        points = self.rounded(compact.centroids_, X.dtype)
        n_features = len(compact.columns_)
        return (-squared_distances(self.graph, X, points, n_features)).argmax()


WRITERS = {"CompactCentroids": CentroidWriter}

register_family(
    FamilySpec(
        bases=("sklearn.NearestCentroid",),
        family=f"{__name__}:CentroidFamily",
        predictors=(f"{__name__}:CompactCentroids",),
        exporters={"onnx": f"{__name__}:WRITERS"},
    )
)
