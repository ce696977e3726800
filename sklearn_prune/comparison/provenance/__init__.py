"""What went into a comparison: descriptions, hashes and manifests."""

from sklearn_prune._lazy import lazy_names

_SHARED = {
    "descriptions": "describe describe_data digest",
    "manifest": "environment first_difference",
}
__all__, __getattr__, __dir__ = lazy_names(__name__, shared=_SHARED)
