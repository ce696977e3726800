"""How trees, forests and bagged trees are pruned: trees, nodes and leaves."""

from sklearn_prune._lazy import lazy_names
from sklearn_prune.weight_pruning import FamilySpec

_PREDICTORS = (
    "CompactBaggingClassifier CompactForestClassifier CompactForestRegressor "
    "CompactScoreForestClassifier CompactScoreForestRegressor FlatTrees KeyColumns "
    "QuantizedArray ShareLeaves SparseLeaves ValueLeaves"
)
SPECS = tuple(
    FamilySpec(
        bases=bases,
        family=f"{__name__}.family:{family}",
        predictors=tuple(_PREDICTORS.split()),
        checks="sklearn_prune.predictors.trees.checks:CHECKS",
        exporters={"onnx": "sklearn_prune.persistence.export.onnx.trees:WRITERS"},
    )
    for family, bases in (
        ("ForestFamily", ("sklearn.BaseDecisionTree", "sklearn.BaseForest")),
        ("BaggedTreesFamily", ("sklearn.BaseBagging",)),
    )
)
_SHARED = {"arrays": "collapse max_below"}
__all__, __getattr__, __dir__ = lazy_names(__name__, shared=_SHARED)
