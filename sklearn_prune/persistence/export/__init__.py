"""Compact forms in the formats of other languages, and checks of them."""

from sklearn_prune._lazy import lazy_names

_PUBLIC = {"check": "ExportReport check_export"}
_SHARED = {
    "check": "compare dense differing",
    "witnesses": (
        "TreeWalk WIDE is_missing reads_texts tied tree_forms unwrapped values_of "
        "witness_rows"
    ),
}
__all__, __getattr__, __dir__ = lazy_names(__name__, _PUBLIC, _SHARED)
