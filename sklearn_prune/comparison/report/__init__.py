"""The HTML report of a comparison."""

from sklearn_prune._lazy import lazy_names

# What other parts of the package use.
_SHARED = {
    "headline": "words",
    "to_html_fragment": "html",
    "write_report": "html",
}

__getattr__, __dir__ = lazy_names(__name__, _SHARED)
