"""Files of fitted models that hold no code, and ONNX."""

from sklearn_prune._lazy import lazy_names

_PUBLIC = {
    "_files": "LoadError load save",
    "export.c.export": "to_c",
    "export.check": "check_export",
    "export.report": "ExportReport",
    "export.onnx.export": "to_onnx",
}
__all__, __getattr__, __dir__ = lazy_names(__name__, _PUBLIC)
