"""Files of fitted models that hold no code, and ONNX."""

from sklearn_prune._lazy import lazy_names

_MODULE_OF = {
    "load": "_files",
    "save": "_files",
    "to_onnx": "export.onnx.export",
}

__all__ = [*_MODULE_OF]
__getattr__, __dir__ = lazy_names(__name__, _MODULE_OF)
