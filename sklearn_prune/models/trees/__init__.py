"""How trees, forests and bagged trees are pruned: trees, nodes and leaves."""

from sklearn_prune._lazy import lazy_names
from sklearn_prune.weight_pruning import FamilySpec

_PREDICTORS = (
    "CompactBaggingClassifier CompactForestClassifier CompactForestRegressor "
    "CompactScoreForestClassifier CompactScoreForestRegressor FlatTrees KeyColumns "
    "QuantizedArray ShareLeaves SparseLeaves ValueLeaves"
)
SPECS = (
    FamilySpec(
        bases=("sklearn.BaseDecisionTree", "sklearn.BaseForest"),
        family=f"{__name__}.family:ForestFamily",
        predictors=tuple(_PREDICTORS.split()),
        checks="sklearn_prune.predictors.trees.checks:CHECKS",
        exporters={"onnx": "sklearn_prune.persistence.export.onnx.trees:WRITERS"},
    ),
    FamilySpec(
        bases=("sklearn.BaseBagging",),
        family=f"{__name__}.family:BaggedTreesFamily",
        predictors=tuple(_PREDICTORS.split()),
        checks="sklearn_prune.predictors.trees.checks:CHECKS",
        exporters={"onnx": "sklearn_prune.persistence.export.onnx.trees:WRITERS"},
    ),
)
_SHARED = {"arrays": "collapse max_below"}
__all__, __getattr__, __dir__ = lazy_names(__name__, shared=_SHARED)
