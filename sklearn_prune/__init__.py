"""Train on fewer rows, keep fewer parameters, and prove that the answer is no worse."""

from sklearn_prune._lazy import lazy_names

__version__ = "0.1.0.dev0"

_PUBLIC = {
    "comparison.compare": "compare_pruning",
    "comparison.result": "PruningComparison",
    "sample_selection._subset_predictors": "SampleSubsetClassifier SampleSubsetRegressor",
    "sample_selection._subset_sampler": "SampleSubsetSampler",
    "sample_selection._subset_transformer": "SampleSubsetTransformer",
    "weight_pruning._fitted_form": "compact",
    "weight_pruning._pruned": "PrunedClassifier PrunedRegressor",
    "weight_pruning._stable_rules": "StableRulesClassifier StableRulesRegressor",
}
_SUBPACKAGES = (
    *("comparison", "inspection", "persistence", "predictors"),
    *("sample_selection", "weight_pruning"),
)
__all__, __getattr__, __dir__ = lazy_names(__name__, _PUBLIC, subpackages=_SUBPACKAGES)
