"""Rank rows by whether their neighbours agree, once or until nothing changes."""

from abc import abstractmethod
from functools import partial
from itertools import repeat
from numbers import Integral, Real

import numpy as np

from sklearn_prune._graph import look_again
from sklearn_prune._ranking import Ranking
from sklearn_prune._sklearn_compat import Interval, StrOptions
from sklearn_prune.sample_selection._neighbor_base import (
    METRIC_OPTIONS,
    TASK_OPTIONS,
    NeighborSelector,
)

DEPTH = 32  # neighbours in whose lists the survivors are looked for
SECOND_LOOK = 0.02  # share of rows that are looked at again in an approximate graph


class _EditingSelector(NeighborSelector):
    """Rounds of editing; a subclass says with how many neighbours each is made."""

    requires_y = True
    has_natural_size = True

    _parameter_constraints = {
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
        "kind_sel": [StrOptions({"all", "mode"})],
        "alpha": [Interval(Real, 0, None, closed="neither")],
        "metric": [METRIC_OPTIONS],
        "task": [TASK_OPTIONS],
        "n_jobs": [Integral, None],
    }

    def _rank(self, X, y, context):
        counts = counted_rows(y, context)
        graph = self._neighbors(X, max(DEPTH, self.n_neighbors), context)
        if context.task == "classification":
            judge = partial(judge_labels, y=y, kind_sel=self.kind_sel)
        else:
            judge = partial(judge_targets, y=y, alpha=self.alpha)
        if not graph.exact:
            rows = unsettled_rows(graph, self.n_neighbors, judge, counts)
            depth = graph.indices.shape[1]
            graph = look_again(
                X, graph, rows, depth, metric=self.metric, n_jobs=self.n_jobs
            )
        find = partial(counted_neighbors, graph, space=partial(self._space, X))
        return self._ranking_of(*edit(find, judge, counts, *self._rounds()))

    @abstractmethod
    def _rounds(self):
        """Numbers of neighbours, one a round, and whether a round in vain is the last."""

    def _ranking_of(self, kept, agreement, outlived):
        return Ranking.from_scores(outlived + agreement, first=kept)
