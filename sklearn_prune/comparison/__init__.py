"""Comparisons: is a pruned model still good enough, and what was gained?"""

from sklearn_prune._lazy import lazy_names

_PUBLIC = {
    "compare": "compare_pruning",
    "displays.cost": "ScoreCostDisplay",
    "displays.curve": "PruningCurveDisplay",
    "displays.samples": "SampleScoreDisplay",
    "result": "PruningComparison",
    "run.costs": "cost_scorer",
    "search.rule": "smallest_not_worse",
}
__all__, __getattr__, __dir__ = lazy_names(__name__, _PUBLIC)
