"""The smallest model that is not worse, as a rule for grid searches."""

from sklearn_prune._lazy import lazy_names

# What other parts of the package use.
_SHARED = {
    "find_costs": "results",
    "find_keep": "results",
    "find_scores": "results",
    "refuse_halving": "results",
    "share_of": "results",
}

__getattr__, __dir__ = lazy_names(__name__, _SHARED)
