"""Selectors: estimators that rank the rows of a training set."""

from sklearn_prune._lazy import lazy_names

_PUBLIC = {
    "_auto": "AutoSelector",
    "_base": "Ranking RankingContext SampleSelector",
    "_chain": "ChainSelector",
    "_condensed": "CondensedNNSelector",
    "_confident_learning": "ConfidentLearningSelector",
    "_coverage_centric": "CoverageCentricSelector",
    "_data_oob": "DataOOBSelector",
    "_drop": "DROP3Selector",
    "_edited": "AllKNNSelector ENNSelector RENNSelector",
    "_facility_location": "FacilityLocationSelector",
    "_forgetting": "ForgettingSelector",
    "_hardness": "HardnessSelector",
    "_herding": "HerdingSelector",
    "_icf": "ICFSelector",
    "_k_center": "KCenterSelector",
    "_knn_shapley": "KNNShapleySelector",
    "_leverage": "LeverageSelector",
    "_loss": "EL2NSelector LossSelector MarginSelector",
    "_medoid": "MedoidSelector",
    "_outlier": "OutlierSelector",
    "_penalty": "L1PenaltySelector L2PenaltySelector",
    "_random": "RandomSelector",
    "_report": "selection_report",
    "_rmhc": "RMHCSelector",
    "_sensitivity": "SensitivitySelector",
    "_tomek": "TomekLinksSelector",
}
_SHARED = {"_subset": "SampleSubset SampleSubsetModel"}
__all__, __getattr__, __dir__ = lazy_names(__name__, _PUBLIC, _SHARED)
