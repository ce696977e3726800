"""Comparisons: is a pruned model still good enough, and what was gained?"""

from sklearn_prune.comparison._compare import compare_pruning
from sklearn_prune.comparison._comparison import PruningComparison
from sklearn_prune.comparison._costs import cost_scorer
from sklearn_prune.comparison._displays_cost import ScoreCostDisplay
from sklearn_prune.comparison._displays_curve import PruningCurveDisplay
from sklearn_prune.comparison._displays_samples import SampleScoreDisplay
from sklearn_prune.comparison._search import smallest_not_worse

__all__ = [
    "PruningComparison",
    "PruningCurveDisplay",
    "SampleScoreDisplay",
    "ScoreCostDisplay",
    "compare_pruning",
    "cost_scorer",
    "smallest_not_worse",
]
