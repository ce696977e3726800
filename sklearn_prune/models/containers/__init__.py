"""How models that hold other models are pruned: each model inside."""

from sklearn_prune._lazy import lazy_names
from sklearn_prune.weight_pruning import FamilySpec

_BASES = {
    "single:PipelineFamily": "sklearn.Pipeline",
    "single:SubsetFamily": "sklearn_prune.SampleSubsetModel",
    "single:SearchFamily": "sklearn.BaseSearchCV",
    "single:TransformedTargetFamily": "sklearn.TransformedTargetRegressor",
    "single:EliminationFamily": "sklearn.RFE",
    "single:ThresholdFamily": "sklearn.BaseThresholdClassifier",
    "single:SelfTrainingFamily": "sklearn.SelfTrainingClassifier",
    "members:OneVsRestFamily": "sklearn.OneVsRestClassifier",
    "members:OneVsOneFamily": "sklearn.OneVsOneClassifier",
    "members:OutputCodeFamily": "sklearn.OutputCodeClassifier",
    "members:MultiOutputFamily": "sklearn._MultiOutputEstimator",
    "members:ChainFamily": "sklearn._BaseChain",
    "members:VotingFamily": "sklearn.VotingClassifier sklearn.VotingRegressor",
    "members:BaggedModelsFamily": "sklearn.BaseBagging",
    "folds:StackingFamily": "sklearn._BaseStacking",
    "folds:CalibratedFamily": "sklearn.CalibratedClassifierCV",
    "base:ConstantFamily": "sklearn._ConstantPredictor",
}
SPECS = tuple(
    FamilySpec(
        bases=tuple(bases.split()),
        family=f"{__name__}.{family}",
        exporters={
            "onnx": "sklearn_prune.persistence.export.onnx."
            f"{'members' if family.startswith('members') else 'containers'}:WRITERS",
            "c": "sklearn_prune.persistence.export.c.containers:WRITERS",
        },
    )
    for family, bases in _BASES.items()
)
_SHARED = {"folds": "curve_of"}
__all__, __getattr__, __dir__ = lazy_names(__name__, shared=_SHARED)
