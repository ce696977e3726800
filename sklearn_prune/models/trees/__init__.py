"""How trees, forests and bagged trees are pruned: trees, nodes and leaves."""

from sklearn_prune._lazy import lazy_names
from sklearn_prune.weight_pruning import FamilySpec

SPECS = tuple(
    FamilySpec(
        bases=bases,
        family=f"{__name__}.family:{family}",
        exporters={
            "onnx": "sklearn_prune.persistence.export.onnx.trees:WRITERS",
            "c": "sklearn_prune.persistence.export.c.trees:WRITERS",
        },
    )
    for family, bases in (
        ("ForestFamily", ("sklearn.BaseDecisionTree", "sklearn.BaseForest")),
        ("BaggedTreesFamily", ("sklearn.BaseBagging",)),
    )
)
_SHARED = {
    "arrays": "collapse max_below",
    "rule_family": "RULE_CRITERIA RULE_QUANTITIES RuleFamily",
    "rules": "Interval RuleSet column_of extract_rules is_additive",
}
__all__, __getattr__, __dir__ = lazy_names(__name__, shared=_SHARED)
