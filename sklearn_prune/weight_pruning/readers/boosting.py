"""Which reader a fitted boosting model needs."""

from dataclasses import replace

import numpy as np

from sklearn_prune.weight_pruning.readers.lightgbm_models import LIGHTGBM
from sklearn_prune.weight_pruning.readers.sklearn_boosting import GRADIENT, HIST
from sklearn_prune.weight_pruning.readers.xgboost_models import XGBOOST

_READERS = {
    "lightgbm.LGBMModel": LIGHTGBM,
    "xgboost.XGBModel": XGBOOST,
    "sklearn.BaseGradientBoosting": GRADIENT,
    "sklearn.BaseHistGradientBoosting": HIST,
}


def _reader_of(model):
    bases = type(model).__mro__
    names = [f"{base.__module__.partition('.')[0]}.{base.__name__}" for base in bases]
    return next(_READERS[name] for name in names if name in _READERS)


def read_model(model, X=None):
    """A fitted boosting model as arrays; X tells which columns were categorical frames."""
    found = _reader_of(model).read(model, X)
    return replace(
        found,
        classes=getattr(model, "classes_", None),
        names=None if found.names is None else np.asarray(found.names, dtype=object),
    )


def codes_by_frame(model):
    """Whether only a frame tells the columns that hold codes of categories."""
    return _reader_of(model).codes_by_frame(model)


def refusal(model):
    """Why a fitted boosting model has no compact form, or None."""
    return _reader_of(model).refusal(model)
