"""Comparisons: is a pruned model still good enough, and what was gained?"""

from sklearn_prune._lazy import lazy_names

_MODULE_OF = {
    "PruningComparison": "result",
    "PruningCurveDisplay": "displays.curve",
    "SampleScoreDisplay": "displays.samples",
    "ScoreCostDisplay": "displays.cost",
    "compare_pruning": "compare",
    "cost_scorer": "run.costs",
    "smallest_not_worse": "search.rule",
}

__all__ = [*_MODULE_OF]
__getattr__, __dir__ = lazy_names(__name__, _MODULE_OF)
