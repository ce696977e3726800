"""Boosting of scikit-learn, and which library a model belongs to."""

from dataclasses import replace

import numpy as np

from sklearn_prune._sklearn_compat import has_column_names
from sklearn_prune.models.readers.boosted_model import (
    BoostedModel,
    BoostingReader,
    boosted_trees,
)
from sklearn_prune.models.readers.lightgbm_models import LIGHTGBM
from sklearn_prune.models.readers.xgboost_models import XGBOOST
from sklearn_prune.predictors import MISSING_LEFT, MISSING_RIGHT, CategorySet, TreeArrays

_LINKS = {
    "HalfSquaredError": ("identity", "squared"),
    "AbsoluteError": ("identity", None),
    "PinballLoss": ("identity", None),
    "HuberLoss": ("identity", None),
    "HalfPoissonLoss": ("log", "poisson"),
    "HalfGammaLoss": ("log", "gamma"),
    "HalfBinomialLoss": ("logit", "logistic"),
    "ExponentialLoss": ("logit", "exponential"),
    "HalfMultinomialLoss": ("softmax", "softmax"),
}


def read_model(model, X=None):
    """A fitted boosting model as arrays; X are rows, or None if `needs_frame` allows it."""
    found = _reader_of(model).read(model, X)
    # The libraries make up names where the columns of X have none.
    named = found.names is not None and (X is None or has_column_names(X))
    return replace(
        found,
        classes=getattr(model, "classes_", None),
        names=np.asarray(found.names, dtype=object) if named else None,
    )


def needs_frame(model):
    """Why only the frame of the fit tells the categories of a model, or None."""
    return _reader_of(model).needs_frame(model)


def refusal(model):
    """Why a fitted boosting model has no predictor of its own, or None."""
    return _reader_of(model).refusal(model)


def _reader_of(model):
    bases = type(model).__mro__
    names = [f"{base.__module__.partition('.')[0]}.{base.__name__}" for base in bases]
    return next(_READERS[name] for name in names if name in _READERS)


def _read_gradient(model, X=None):
    """Trees of GradientBoostingClassifier or -Regressor; leaves times the learning rate."""
    parts = []
    for iteration, stage in enumerate(model.estimators_):
        for output, member in enumerate(stage):
            tree = member.tree_
            decrease = tree.weighted_n_node_samples * tree.impurity
            inner = tree.children_left >= 0
            gain = np.zeros(tree.node_count)
            gain[inner] = (
                decrease[inner]
                - decrease[tree.children_left[inner]]
                - decrease[tree.children_right[inner]]
            )
            parts.append(
                TreeArrays(
                    left=tree.children_left,
                    right=tree.children_right,
                    feature=tree.feature,
                    threshold=tree.threshold,
                    value=model.learning_rate * tree.value[:, 0, 0],
                    missing=np.full(tree.node_count, MISSING_RIGHT),
                    category=np.full(tree.node_count, -1),
                    weight=tree.weighted_n_node_samples,
                    gain=gain,
                    iteration=[iteration],
                    output=[output],
                )
            )
    link, loss = _LINKS[type(model._loss).__name__]
    n_outputs = model.n_trees_per_iteration_
    return BoostedModel(
        trees=boosted_trees(parts),
        start=_start_of_gradient(model, n_outputs),
        library="gradient",
        link=link,
        slope=2.0 if loss == "exponential" else 1.0,
        loss=loss,
        n_features=model.n_features_in_,
        names=getattr(model, "feature_names_in_", None),
    )


def _start_of_gradient(model, n_outputs):
    """Raw score before the first tree."""
    if isinstance(model.init_, str):
        return np.zeros(n_outputs)
    row = np.zeros((1, model.n_features_in_), dtype=np.float32)
    return model._raw_predict_init(row)[0].astype(np.float64)


def _read_hist(model, X=None):
    """Trees of HistGradientBoostingClassifier or -Regressor."""
    parts, sets = [], []
    position, categories, known = _columns_of_hist(model)
    for iteration, stage in enumerate(model._predictors):
        for output, predictor in enumerate(stage):
            nodes = predictor.nodes
            is_leaf = nodes["is_leaf"].astype(bool)
            category = np.full(len(nodes), -1)
            asks = np.flatnonzero((nodes["is_categorical"] == 1) & ~is_leaf)
            for node in asks:
                words = predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]]
                bits = np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little")
                left = bool(nodes["missing_go_to_left"][node])
                feature = nodes["feature_idx"][node]
                category[node] = len(sets)
                sets.append(CategorySet(bits[: known[feature]].astype(bool), left, left))
            parts.append(
                TreeArrays(
                    left=np.where(is_leaf, -1, nodes["left"].astype(np.int64)),
                    right=np.where(is_leaf, -1, nodes["right"].astype(np.int64)),
                    feature=position[np.where(is_leaf, 0, nodes["feature_idx"])],
                    threshold=nodes["num_threshold"],
                    missing=np.where(
                        nodes["missing_go_to_left"] == 1, MISSING_LEFT, MISSING_RIGHT
                    ),
                    category=category,
                    value=nodes["value"],
                    weight=nodes["count"],
                    gain=np.where(is_leaf, 0.0, nodes["gain"]),
                    iteration=[iteration],
                    output=[output],
                )
            )
    link, loss = _LINKS[type(model._loss).__name__]
    return BoostedModel(
        trees=boosted_trees(parts, sets),
        start=np.ravel(model._baseline_prediction).copy(),
        library="hist",
        link=link,
        loss=loss,
        n_features=model.n_features_in_,
        categories=categories,
        names=getattr(model, "feature_names_in_", None),
        weights_by_code=True,
    )


def _columns_of_hist(model):
    """Column of X for each column inside, values of categorical ones, and their numbers."""
    n_features = model.n_features_in_
    if model._preprocessor is None:
        return np.arange(n_features), None, {}
    is_categorical = np.asarray(model.is_categorical_)
    position = np.concatenate(
        [np.flatnonzero(is_categorical), np.flatnonzero(~is_categorical)]
    )
    encoder = model._preprocessor.named_transformers_["encoder"]
    categories, known = {}, {}
    for inside, values in enumerate(encoder.categories_):
        if len(values) and isinstance(values[-1], float) and np.isnan(values[-1]):
            values = values[:-1]
        categories[int(position[inside])] = values
        known[inside] = len(values)
    return position, categories, known


def _refusal(model):
    loss = getattr(model, "_loss", None)
    if loss is not None and type(loss).__name__ not in _LINKS:
        return f"{type(model).__name__} has a loss of its own"
    initial = getattr(model, "init_", "zero")
    if not isinstance(initial, str) and (
        type(initial).__module__ != "sklearn.dummy"
        or initial.strategy in ("stratified", "uniform")
    ):
        return f"{type(model).__name__} starts from an init estimator that is no constant"
    return None


_READERS = {
    "lightgbm.LGBMModel": LIGHTGBM,
    "xgboost.XGBModel": XGBOOST,
    "sklearn.BaseGradientBoosting": BoostingReader(_read_gradient, _refusal),
    "sklearn.BaseHistGradientBoosting": BoostingReader(_read_hist, _refusal),
}
