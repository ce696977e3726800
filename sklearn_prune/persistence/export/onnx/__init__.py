"""Compact forms as ONNX graphs."""

from sklearn_prune._lazy import lazy_names

_PUBLIC = {
    "export": "to_onnx",
    "rows": "distances squared_distances",
    "writer": "Writer",
}
_SHARED = {"session": "Session"}
__all__, __getattr__, __dir__ = lazy_names(__name__, _PUBLIC, _SHARED)
