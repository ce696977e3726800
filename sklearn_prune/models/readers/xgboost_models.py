"""Read a fitted XGBoost model from its own JSON."""

import json
from itertools import pairwise

import numpy as np

from sklearn_prune.models.readers.boosted_model import (
    BoostedModel,
    BoostingReader,
    boosted_trees,
    values_of_categories,
)
from sklearn_prune.predictors import MISSING_LEFT, MISSING_RIGHT, CategorySet, TreeArrays

_LINKS = {
    "binary:logistic": ("logit", "logistic"),
    "reg:logistic": ("logit", "logistic"),
    "multi:softprob": ("softmax", "softmax"),
    "multi:softmax": ("softmax", "softmax"),
    "reg:squarederror": ("identity", "squared"),
    "reg:squaredlogerror": ("identity", None),
    "reg:pseudohubererror": ("identity", None),
    "reg:absoluteerror": ("identity", None),
    "reg:quantileerror": ("identity", None),
    "count:poisson": ("log", "poisson"),
    "reg:gamma": ("log", "gamma"),
    "reg:tweedie": ("log", None),
}


def _refusal(model):
    """Why an XGBoost model has no predictor of its own, or None."""
    name = type(model).__name__
    if not hasattr(model, "_Booster"):
        return None
    if model.booster in ("gblinear", "dart"):
        return f"{name} has booster={model.booster!r}"
    if callable(model.objective):
        return f"{name} has an objective of its own, whose scores have no known meaning"
    learner = _learner(model.get_booster()[:1])
    objective = learner["objective"]["name"]
    if objective not in _LINKS:
        return f"{name} has the objective {objective!r}"
    parameters = learner["learner_model_param"]
    if objective == "multi:softprob" and int(parameters["num_class"]) == 2:
        return f"{name} predicts indicators of two classes"
    trees = learner["gradient_booster"]["model"]["trees"]
    if any(int(tree["tree_param"]["size_leaf_vector"]) > 1 for tree in trees):
        return f"{name} has leaves of several outputs"
    several = (
        len(json.loads(parameters["base_score"])) if "[" in parameters["base_score"] else 1
    )
    if int(parameters["num_target"]) > 1 or several > max(1, int(parameters["num_class"])):
        return f"{name} predicts several targets"
    return None


def _learner(booster):
    return json.loads(booster.save_raw("json").decode())["learner"]


def _read(model, X=None):
    """Trees up to the best iteration, and what their sum means."""
    learner = _learner(model.get_booster())
    forest = learner["gradient_booster"]["model"]
    bounds = forest["iteration_indptr"]
    best = learner["attributes"].get("best_iteration")
    n_iterations = len(bounds) - 1 if best is None else int(best) + 1
    sets = []
    parts = [
        _read_tree(forest["trees"][number], sets, iteration, forest["tree_info"][number])
        for iteration in range(n_iterations)
        for number in range(bounds[iteration], bounds[iteration + 1])
    ]
    link, loss = _LINKS[learner["objective"]["name"]]
    n_outputs = max(1, int(learner["learner_model_param"]["num_class"]))
    return BoostedModel(
        trees=boosted_trees(parts, sets),
        start=_start(learner["learner_model_param"]["base_score"], link, n_outputs),
        library="xgboost",
        link=link,
        loss=loss,
        n_features=model.n_features_in_,
        missing=float("nan" if model.missing is None else model.missing),
        categories=_categories(forest, X),
        names=getattr(model, "feature_names_in_", None),
        n_fitted=len(bounds) - 1,
    )


def _needs_frame(model):
    booster = model.get_booster()
    if "c" not in (booster.feature_types or ()):
        return None
    encoded = _encoded_categories(_learner(booster)["gradient_booster"]["model"])
    if encoded is not None and all(map(_is_whole, encoded)):
        return None
    what = "does not store them"
    if encoded is not None:
        what = "stores texts outside ASCII cut off"
    return f"its categories are known from the frame of its fit only: this XGBoost {what}"


def _start(text, link, n_outputs):
    """The base score, which is stored as it would be predicted, as a raw score."""
    base = np.array(json.loads(text), dtype=np.float32).ravel()
    if link == "logit":
        one, least = np.float32(1), np.float32(1e-6)  # XGBoost's own bounds
        base = -np.log(one / np.clip(base, least, one - least) - one)
    elif link == "log":
        with np.errstate(divide="ignore"):  # targets that are all zero
            base = np.log(base)
    return np.broadcast_to(base, n_outputs).astype(np.float32)


def _categories(forest, X):
    """Values of the categorical columns of a frame, as the model or else the frame has."""
    encoded = _encoded_categories(forest)
    if encoded is not None and all(map(_is_whole, encoded)):
        found = {number: _values_of(own) for number, own in enumerate(encoded)}
    elif hasattr(X, "dtypes") and hasattr(X, "iloc"):
        found = {
            number: X.iloc[:, number].cat.categories.tolist()
            for number, dtype in enumerate(X.dtypes)
            if getattr(dtype, "name", "") == "category"
        }
    else:
        found = {}
    return {n: values_of_categories(own) for n, own in found.items() if own} or None


def _encoded_categories(forest):
    """The categories of each column as XGBoost stores them since 3.1, else None."""
    return forest["cats"]["enc"] if "cats" in forest else None


def _is_whole(encoded):
    """Whether categories are numbers, or texts in ASCII.

    XGBoost 3.2 stores as many bytes of the texts as they have characters.
    """
    return "offsets" not in encoded or min(encoded["values"], default=0) >= 0


def _values_of(encoded):
    """Numbers, or texts from the bytes of all of them."""
    values, bounds = encoded["values"], encoded.get("offsets")
    if bounds is None:
        return values
    text = bytes(values).decode("ascii")
    return [text[first:last] for first, last in pairwise(bounds)]


def _read_tree(tree, sets, iteration, output):
    """Breadth-first, since nodes are numbered in the order in which they were split."""
    left = np.array(tree["left_children"])
    conditions = np.array(tree["split_conditions"], dtype=np.float32)
    is_leaf = left < 0
    default_left = np.array(tree["default_left"], dtype=bool)
    category = np.full(len(left), -1)
    for node, first, size in zip(
        tree["categories_nodes"],
        tree["categories_segments"],
        tree["categories_sizes"],
        strict=True,
    ):
        right = tree["categories"][first : first + size]
        stays = np.ones(max(right, default=-1) + 1, dtype=bool)
        stays[right] = False
        category[node] = len(sets)
        sets.append(CategorySet(stays, True, bool(default_left[node])))
    return TreeArrays(
        left=left,
        right=tree["right_children"],
        feature=tree["split_indices"],
        threshold=np.nextafter(conditions, np.float32(-np.inf)),
        missing=np.where(default_left, MISSING_LEFT, MISSING_RIGHT),
        category=category,
        value=np.where(is_leaf, conditions, 0),
        weight=tree["sum_hessian"],
        gain=tree["loss_changes"],
        iteration=[iteration],
        output=[output],
    )


XGBOOST = BoostingReader(_read, _refusal, _needs_frame)
