"""Compact forms in the formats of other languages, and checks of them."""

from sklearn_prune._lazy import lazy_names

_PUBLIC = {"check": "check_export", "report": "ExportReport"}
_SHARED = {
    "compare": "Comparison dense differing",
    "walks": "TreeWalk tree_forms",
    "witnesses": (
        "WIDE columns_of is_missing reads_texts tied unwrapped values_of witness_rows"
    ),
}
__all__, __getattr__, __dir__ = lazy_names(__name__, _PUBLIC, _SHARED)
