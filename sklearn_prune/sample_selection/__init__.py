"""Selectors: estimators that rank the rows of a training set."""

from sklearn_prune.sample_selection._auto import AutoSelector
from sklearn_prune.sample_selection._base import RankingContext, SampleSelector
from sklearn_prune.sample_selection._penalty import L1PenaltySelector, L2PenaltySelector
from sklearn_prune.sample_selection._random import RandomSelector

__all__ = [
    "AutoSelector",
    "L1PenaltySelector",
    "L2PenaltySelector",
    "RandomSelector",
    "RankingContext",
    "SampleSelector",
]
