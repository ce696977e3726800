"""What selectors share that look at the neighbours of a row."""

from copy import deepcopy
from numbers import Integral

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import get_tags, indexable
from sklearn.utils.validation import validate_data

from sklearn_prune._graph import look_again
from sklearn_prune._sklearn_compat import Interval, StrOptions
from sklearn_prune._space import METRICS, MixedRows, Space
from sklearn_prune._validation import check_readable_rows
from sklearn_prune.sample_selection._base import (
    TASK_OPTIONS,
    RankingContext,
    SampleSelector,
)
from sklearn_prune.sample_selection._choice import is_unseeded

METRIC_OPTIONS = StrOptions({"auto", *METRICS})


class NeighborSelector(SampleSelector):
    """Base of selectors with the parameters `metric` and `n_jobs`, most also `n_neighbors`.

    `_rank` gets rows whose distances it measures by :meth:`_neighbors` and :meth:`_space`.
    With ``metric="auto"`` and a nearest-neighbour model these are its columns, as its
    transformers give them. With ``metric="gower"`` rows may be frames or arrays with
    categories and missing values; `_rank` then gets them as MixedRows.
    """

    _parameter_constraints = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "metric": [METRIC_OPTIONS],
        "task": [TASK_OPTIONS],
        "n_jobs": [Integral, None],
    }

    @property
    def allow_nan(self):
        """Gower's distance reads missing values, and some models do."""
        found = self._model()
        if found is not None:
            steps, model = found
            reader = self._lent().estimator if steps else model
            return get_tags(reader).input_tags.allow_nan
        return getattr(self, "metric", "auto") == "gower"

    @property
    def reads_estimator(self):
        """The metric may be that of the model that the rows are for."""
        return self.metric == "auto"

    def _lent(self):
        return self.__dict__.get("_context", RankingContext())

    def _model(self):
        """Transformers and nearest-neighbour model that set the metric, or None."""
        context = self._lent()
        return context.neighbor_model() if getattr(self, "metric", 0) == "auto" else None

    def _part_of_model(self, context):
        found = context.neighbor_model() if self.reads_estimator else None
        if found is None:
            return None
        steps, model = found
        return steps, model.metric, model.p, model.metric_params

    def _draws_unseeded(self, context):
        found = context.neighbor_model() if self.reads_estimator else None
        return found is not None and any(
            is_unseeded(step, context.seed) for step in found[0]
        )

    def _check_rows(self, X):
        found = self._model()
        if found is not None and found[0]:
            validate_data(self, X, skip_check_array=True)
            check_readable_rows(X, self._lent().estimator)
            return indexable(X)[0]
        if self.metric != "gower" or issparse(X):
            return super()._check_rows(X)
        if not hasattr(X, "shape"):
            X = np.asarray(X)
        if len(X.shape) != 2 or 0 in X.shape:
            raise ValueError(
                f'{type(self).__name__}(metric="gower") reads a table of shape (n_samples, '
                f"n_features). Got shape {tuple(X.shape)}. Pass a frame or a 2-d array."
            )
        validate_data(self, X, skip_check_array=True)
        rows = MixedRows.of(X)
        if np.isinf(rows.values).any():
            raise ValueError(
                f"{type(self).__name__} reads finite numbers and missing values. Got "
                "infinity. Replace it first."
            )
        return rows

    def _place(self, X, y, context):
        self.metric_ = self._measure = self._given_metric()
        if self.metric != "auto" or context.neighbor_model() is None:
            return X
        X, self._measure, self.metric_ = context.measured_rows(
            X, y, owner=type(self).__name__
        )
        return X

    def _given_metric(self):
        return "seuclidean" if self.metric == "auto" else self.metric

    def _neighbors(self, X, k, context):
        """The graph of the k nearest neighbours under the selector's metric."""
        metric = self.__dict__.get("_measure", self._given_metric())
        return context.neighbor_graph(X, k, metric=metric, n_jobs=self.n_jobs)

    def _look_again(self, X, graph, rows):
        """The same graph, in which the given rows are exact."""
        metric = self.__dict__.get("_measure", self._given_metric())
        depth = graph.indices.shape[1]
        return look_again(X, graph, rows, depth, metric=metric, n_jobs=self.n_jobs)

    def _space(self, X):
        """The points whose distances are those of the rows."""
        metric = self.__dict__.get("_measure", self._given_metric())
        return Space.of(X, metric, owner=type(self).__name__)

    def _space_of(self, X, y, context):
        return self._space(self._place(self._check_rows(X), y, context))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        found = self._model()
        if found is not None and found[0]:
            tags.input_tags = deepcopy(get_tags(self._lent().estimator).input_tags)
        elif self.allow_nan:
            tags.input_tags.string = True
            tags.input_tags.categorical = True
        return tags
