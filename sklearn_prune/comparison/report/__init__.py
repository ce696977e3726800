"""The HTML report of a comparison."""

from sklearn_prune._lazy import lazy_names

_SHARED = {"html": "to_html_fragment write_report", "words": "headline"}
__all__, __getattr__, __dir__ = lazy_names(__name__, shared=_SHARED)
