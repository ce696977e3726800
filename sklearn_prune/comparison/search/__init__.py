"""The smallest model that is not worse, as a rule for grid searches."""

from sklearn_prune._lazy import lazy_names

_SHARED = {"results": "find_costs find_keep find_scores refuse_halving share_of"}
__all__, __getattr__, __dir__ = lazy_names(__name__, shared=_SHARED)
