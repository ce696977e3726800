"""What selectors share that look at the neighbours of a row."""

from numbers import Integral

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import validate_data

from sklearn_prune._sklearn_compat import Interval, StrOptions
from sklearn_prune._space import METRICS, MixedRows, Space
from sklearn_prune.sample_selection._base import TASK_OPTIONS, SampleSelector

METRIC_OPTIONS = StrOptions(set(METRICS))


class NeighborSelector(SampleSelector):
    """Base of selectors with the parameters `metric` and `n_jobs`, most also `n_neighbors`.

    With ``metric="gower"`` rows may be frames or arrays with categories and missing
    values; `_rank` then gets them as MixedRows, which the graph and the space read.
    """

    _parameter_constraints = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "metric": [METRIC_OPTIONS],
        "task": [TASK_OPTIONS],
        "n_jobs": [Integral, None],
    }

    @property
    def allow_nan(self):
        """Gower's distance reads missing values."""
        return getattr(self, "metric", "euclidean") == "gower"

    def _check_rows(self, X):
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

    def _numeric_rows(self, X):
        return self._check_rows(X)

    def _neighbors(self, X, k, context):
        """The graph of the k nearest neighbours under the selector's metric."""
        return context.neighbor_graph(X, k, metric=self.metric, n_jobs=self.n_jobs)

    def _space(self, X):
        """The points whose distances are those of the rows."""
        return Space.of(X, self.metric, owner=type(self).__name__)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if self.allow_nan:
            tags.input_tags.string = True
            tags.input_tags.categorical = True
        return tags
