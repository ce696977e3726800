"""Compact forms as ONNX graphs."""

from sklearn_prune._lazy import lazy_names

_MODULE_OF = {
    "Writer": "writer",
    "distances": "rows",
    "squared_distances": "rows",
    "to_onnx": "export",
}

__all__ = [*_MODULE_OF]
__getattr__, __dir__ = lazy_names(__name__, _MODULE_OF)
