"""Statistics of a comparison: verdicts, stability and churn, as tables."""

from sklearn_prune._lazy import lazy_names

# What other parts of the package use.
_SHARED = {
    "ComparisonTables": "tables",
    "as_text": "tables",
    "churn": "agreement",
    "corrected_posterior": "statistics",
    "fixed_sequence": "statistics",
    "looks_forward": "statistics",
    "share_of_test": "statistics",
    "verdict": "statistics",
}

__getattr__, __dir__ = lazy_names(__name__, _SHARED)
