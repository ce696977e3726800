"""Files of fitted models that hold no code, and ONNX."""

from importlib import import_module

_MODULE_OF = {
    "TRUSTED_TYPES": "_trusted",
    "load": "_files",
    "save": "_files",
    "to_onnx": "_onnx",
}

__all__ = [*_MODULE_OF]


def __getattr__(name):
    if name in _MODULE_OF:
        return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
