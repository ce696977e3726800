"""Selectors: estimators that rank the rows of a training set."""

from sklearn_prune.sample_selection._auto import AutoSelector
from sklearn_prune.sample_selection._base import RankingContext, SampleSelector
from sklearn_prune.sample_selection._knn_shapley import KNNShapleySelector
from sklearn_prune.sample_selection._leverage import LeverageSelector
from sklearn_prune.sample_selection._penalty import L1PenaltySelector, L2PenaltySelector
from sklearn_prune.sample_selection._random import RandomSelector
from sklearn_prune.sample_selection._sensitivity import SensitivitySelector

__all__ = [
    "AutoSelector",
    "KNNShapleySelector",
    "L1PenaltySelector",
    "L2PenaltySelector",
    "LeverageSelector",
    "RandomSelector",
    "RankingContext",
    "SampleSelector",
    "SensitivitySelector",
]
