"""Predictors: the small form of a fitted model, which needs numpy to be imported."""

from importlib import import_module

_PACKAGE = "sklearn_prune.weight_pruning.compact"
_NAMES_IN = {
    "_boosting": "CompactBoosting",
    "_calibrated": "CompactCalibrated",
    "_columns": "CompactColumns",
    "_containers": "CompactConstant CompactThreshold CompactTransformedTarget",
    "_forest": "CompactBaggingClassifier CompactForestClassifier CompactForestRegressor",
    "_kernel": "CompactSVC CompactSVR",
    "_kernel_function": "KernelFunction",
    "_leaves": "ShareLeaves SparseLeaves ValueLeaves",
    "_linear": (
        "CompactBayesianRegressor CompactLinearClassifier CompactLinearRegressor "
        "CompactMultilabelClassifier"
    ),
    "_members": (
        "CompactBaggedClassifier CompactBaggedRegressor CompactClassifierChain "
        "CompactHardVoting CompactMultiClassifier CompactMultiRegressor CompactOneVsOne "
        "CompactOneVsRest CompactOutputCode CompactRegressorChain CompactSoftVoting "
        "CompactVotingRegressor"
    ),
    "_model": "CompactModel",
    "_module": "CompactModule",
    "_naive_bayes": (
        "CompactCategorical CompactDiscriminant CompactGaussian CompactLogLinear "
        "CompactQuadratic"
    ),
    "_neighbors": "CompactNeighborsClassifier CompactNeighborsRegressor",
    "_net": "CompactNetClassifier CompactNetRegressor",
    "_net_layers": "Add Convolution Dense Flatten Layer Pool Reshape Scale",
    "_net_weights": "SparseWeights",
    "_pipeline": "CompactPipeline",
    "_process": "CompactProcess CompactProcessClassifier LatentProcess",
    "_quantized": "QuantizedArray",
    "_score_forest": "CompactScoreForestClassifier CompactScoreForestRegressor",
    "_stacking": "CompactStackingClassifier CompactStackingRegressor",
    "_steps": "ColumnSelector",
    "_tree_columns": "KeyColumns",
    "_trees": "FlatTrees",
}
_MODULE_OF = {name: module for module, names in _NAMES_IN.items() for name in names.split()}

__all__ = sorted(_MODULE_OF)


def __getattr__(name):
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{_PACKAGE}.{_MODULE_OF[name]}"), name)


def __dir__():
    return sorted({*globals(), *_MODULE_OF})
