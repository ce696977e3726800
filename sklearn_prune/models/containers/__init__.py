"""How models that hold other models are pruned: each model inside."""

from sklearn_prune._lazy import lazy_names
from sklearn_prune.weight_pruning import FamilySpec

_ONNX = "sklearn_prune.persistence.export.onnx"
_FAMILIES = {
    "single:PipelineFamily": ("sklearn.Pipeline",),
    "single:SubsetFamily": ("sklearn_prune.SampleSubsetModel",),
    "single:SearchFamily": ("sklearn.BaseSearchCV",),
    "single:TransformedTargetFamily": ("sklearn.TransformedTargetRegressor",),
    "single:EliminationFamily": ("sklearn.RFE",),
    "single:ThresholdFamily": ("sklearn.BaseThresholdClassifier",),
    "single:SelfTrainingFamily": ("sklearn.SelfTrainingClassifier",),
    "members:OneVsRestFamily": ("sklearn.OneVsRestClassifier",),
    "members:OneVsOneFamily": ("sklearn.OneVsOneClassifier",),
    "members:OutputCodeFamily": ("sklearn.OutputCodeClassifier",),
    "members:MultiOutputFamily": ("sklearn._MultiOutputEstimator",),
    "members:ChainFamily": ("sklearn._BaseChain",),
    "members:VotingFamily": ("sklearn.VotingClassifier", "sklearn.VotingRegressor"),
    "members:BaggedModelsFamily": ("sklearn.BaseBagging",),
    "folds:StackingFamily": ("sklearn._BaseStacking",),
    "folds:CalibratedFamily": ("sklearn.CalibratedClassifierCV",),
    "base:ConstantFamily": ("sklearn._ConstantPredictor",),
}
_PREDICTORS = {
    "single:PipelineFamily": ("CompactPipeline",),
    "single:EliminationFamily": ("CompactColumns",),
    "single:TransformedTargetFamily": ("CompactTransformedTarget",),
    "single:ThresholdFamily": ("CompactThreshold",),
    "members:OneVsRestFamily": ("CompactOneVsRest",),
    "members:OneVsOneFamily": ("CompactOneVsOne",),
    "members:OutputCodeFamily": ("CompactOutputCode",),
    "members:MultiOutputFamily": ("CompactMultiClassifier", "CompactMultiRegressor"),
    "members:ChainFamily": ("CompactClassifierChain", "CompactRegressorChain"),
    "members:VotingFamily": (
        "CompactHardVoting",
        "CompactSoftVoting",
        "CompactVotingRegressor",
    ),
    "members:BaggedModelsFamily": ("CompactBaggedClassifier", "CompactBaggedRegressor"),
    "folds:StackingFamily": ("CompactStackingClassifier", "CompactStackingRegressor"),
    "folds:CalibratedFamily": ("CompactCalibrated",),
    "base:ConstantFamily": ("CompactConstant",),
}


def _writers_of(family):
    return "members" if family.startswith("members") else "containers"


SPECS = tuple(
    FamilySpec(
        bases=bases,
        family=f"{__name__}.{family}",
        predictors=_PREDICTORS.get(family, ()),
        exporters={"onnx": f"{_ONNX}.{_writers_of(family)}:WRITERS"},
    )
    for family, bases in _FAMILIES.items()
)

# What other parts of the package use.
_SHARED = {"curve_of": "folds"}

__getattr__, __dir__ = lazy_names(__name__, _SHARED)
