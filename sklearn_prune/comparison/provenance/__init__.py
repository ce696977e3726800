"""What went into a comparison: descriptions, hashes and manifests."""

from sklearn_prune._lazy import lazy_names

# What other parts of the package use.
_SHARED = {
    "describe": "descriptions",
    "describe_data": "descriptions",
    "digest": "descriptions",
    "environment": "manifest",
    "first_difference": "manifest",
}

__getattr__, __dir__ = lazy_names(__name__, _SHARED)
