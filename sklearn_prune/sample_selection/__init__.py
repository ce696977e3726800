"""Selectors: estimators that rank the rows of a training set."""

from sklearn_prune._ranking import Ranking
from sklearn_prune.sample_selection._auto import AutoSelector
from sklearn_prune.sample_selection._base import RankingContext, SampleSelector
from sklearn_prune.sample_selection._chain import ChainSelector
from sklearn_prune.sample_selection._condensed import CondensedNNSelector
from sklearn_prune.sample_selection._confident_learning import ConfidentLearningSelector
from sklearn_prune.sample_selection._coverage_centric import CoverageCentricSelector
from sklearn_prune.sample_selection._data_oob import DataOOBSelector
from sklearn_prune.sample_selection._drop import DROP3Selector
from sklearn_prune.sample_selection._edited import AllKNNSelector, ENNSelector, RENNSelector
from sklearn_prune.sample_selection._facility_location import FacilityLocationSelector
from sklearn_prune.sample_selection._forgetting import ForgettingSelector
from sklearn_prune.sample_selection._hardness import HardnessSelector
from sklearn_prune.sample_selection._herding import HerdingSelector
from sklearn_prune.sample_selection._icf import ICFSelector
from sklearn_prune.sample_selection._k_center import KCenterSelector
from sklearn_prune.sample_selection._knn_shapley import KNNShapleySelector
from sklearn_prune.sample_selection._leverage import LeverageSelector
from sklearn_prune.sample_selection._loss import EL2NSelector, LossSelector, MarginSelector
from sklearn_prune.sample_selection._medoid import MedoidSelector
from sklearn_prune.sample_selection._outlier import OutlierSelector
from sklearn_prune.sample_selection._penalty import L1PenaltySelector, L2PenaltySelector
from sklearn_prune.sample_selection._random import RandomSelector
from sklearn_prune.sample_selection._report import selection_report
from sklearn_prune.sample_selection._rmhc import RMHCSelector
from sklearn_prune.sample_selection._sensitivity import SensitivitySelector
from sklearn_prune.sample_selection._subset import SampleSubset, SampleSubsetModel  # noqa: F401
from sklearn_prune.sample_selection._tomek import TomekLinksSelector

__all__ = [
    "AllKNNSelector",
    "AutoSelector",
    "ChainSelector",
    "CondensedNNSelector",
    "ConfidentLearningSelector",
    "CoverageCentricSelector",
    "DROP3Selector",
    "DataOOBSelector",
    "EL2NSelector",
    "ENNSelector",
    "FacilityLocationSelector",
    "ForgettingSelector",
    "HardnessSelector",
    "HerdingSelector",
    "ICFSelector",
    "KCenterSelector",
    "KNNShapleySelector",
    "L1PenaltySelector",
    "L2PenaltySelector",
    "LeverageSelector",
    "LossSelector",
    "MarginSelector",
    "MedoidSelector",
    "OutlierSelector",
    "RENNSelector",
    "RMHCSelector",
    "RandomSelector",
    "Ranking",
    "RankingContext",
    "SampleSelector",
    "SensitivitySelector",
    "TomekLinksSelector",
    "selection_report",
]
