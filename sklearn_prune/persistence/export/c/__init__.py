"""C99 source of fitted models, in arrays and small loops."""

from sklearn_prune._lazy import lazy_names

_SHARED = {"plan": "categories_of coded"}
__all__, __getattr__, __dir__ = lazy_names(__name__, shared=_SHARED)
