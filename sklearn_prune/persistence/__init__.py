"""Files of fitted models that hold no code, and ONNX."""

from sklearn_prune._lazy import lazy_names

_MODULE_OF = {
    "TRUSTED_TYPES": "_trusted",
    "load": "_files",
    "save": "_files",
    "to_onnx": "_onnx",
}

__all__ = [*_MODULE_OF]
__getattr__, __dir__ = lazy_names(__name__, _MODULE_OF)
