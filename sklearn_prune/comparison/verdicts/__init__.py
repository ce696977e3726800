"""Statistics of a comparison: verdicts, stability and churn, as tables."""

from sklearn_prune._lazy import lazy_names

_SHARED = {
    "agreement": "churn",
    "statistics": "corrected_posterior fixed_sequence looks_forward share_of_test verdict",
    "tables": "ComparisonTables as_text",
}
__all__, __getattr__, __dir__ = lazy_names(__name__, shared=_SHARED)
