"""The private names of scikit-learn that this package stands on, and nothing else.

A new scikit-learn that moves one of them is repaired here.
"""

import sys

from sklearn.base import _fit_context as fit_context
from sklearn.utils import _safe_indexing as take_rows
from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    StrOptions,
)
from sklearn.utils.validation import _check_method_params as take_rows_of_params
from sklearn.utils.validation import _num_samples as count_rows

__all__ = [
    "Interval",
    "InvalidParameterError",
    "RefusedAsPipelineStep",
    "StrOptions",
    "count_rows",
    "fit_context",
    "take_rows",
    "take_rows_of_params",
]


class RefusedAsPipelineStep:
    """Stand in for `transform` on a class whose rows a Pipeline would lose.

    The attribute does not exist: ``hasattr`` is False, as it has to be for
    imbalanced-learn and for every tool that looks for transformers. But a
    scikit-learn Pipeline that finds no `transform` on a middle step raises a
    sentence that cannot name the right class, so the moment in which it looks
    is used to raise the better one. Should scikit-learn rename its check, its
    own TypeError is raised instead.

    Parameters
    ----------
    reason : str
        What the user should type instead; ``{name}`` is the class name.
    """

    def __init__(self, reason):
        self.reason = reason

    def __get__(self, step, owner):
        asker = sys._getframe(1)
        if (
            asker.f_code.co_name == "_validate_steps"
            and asker.f_globals.get("__name__") == "sklearn.pipeline"
        ):
            raise TypeError(self.reason.format(name=owner.__name__))
        raise AttributeError(f"{owner.__name__!r} has no attribute 'transform'")
