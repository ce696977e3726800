"""Train on fewer rows, keep fewer parameters, and prove that the answer is no worse."""

from importlib import import_module

__version__ = "0.1.0.dev0"

_MODULE_OF = {
    "PruningComparison": "comparison._comparison",
    "PrunedClassifier": "weight_pruning._pruned",
    "PrunedRegressor": "weight_pruning._pruned",
    "SampleSubsetClassifier": "sample_selection._subset_predictors",
    "SampleSubsetRegressor": "sample_selection._subset_predictors",
    "SampleSubsetSampler": "sample_selection._subset_sampler",
    "SampleSubsetTransformer": "sample_selection._subset_transformer",
    "compare_pruning": "comparison._compare",
}
_SUBPACKAGES = ("comparison", "sample_selection", "weight_pruning")

__all__ = [*_MODULE_OF, *_SUBPACKAGES]


def __getattr__(name):
    # Names are resolved on first use, so that the import itself costs nothing.
    if name in _MODULE_OF:
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    if name in _SUBPACKAGES:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
