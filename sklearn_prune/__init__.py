"""Train on fewer rows, keep fewer parameters, and prove that the answer is no worse."""

from sklearn_prune._lazy import lazy_names

__version__ = "0.1.0.dev0"

_MODULE_OF = {
    "PruningComparison": "comparison.result",
    "PrunedClassifier": "weight_pruning._pruned",
    "PrunedRegressor": "weight_pruning._pruned",
    "SampleSubsetClassifier": "sample_selection._subset_predictors",
    "SampleSubsetRegressor": "sample_selection._subset_predictors",
    "SampleSubsetSampler": "sample_selection._subset_sampler",
    "SampleSubsetTransformer": "sample_selection._subset_transformer",
    "compare_pruning": "comparison.compare",
}
_SUBPACKAGES = (
    "comparison",
    "persistence",
    "predictors",
    "sample_selection",
    "weight_pruning",
)

__all__ = [*_MODULE_OF, *_SUBPACKAGES]
__getattr__, __dir__ = lazy_names(__name__, _MODULE_OF, _SUBPACKAGES)
