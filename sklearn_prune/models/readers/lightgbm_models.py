"""Read a fitted LightGBM model from its own text."""

import json

import numpy as np

from sklearn_prune.models.readers.boosted_model import (
    BoostedModel,
    BoostingReader,
    boosted_trees,
    values_of_categories,
)
from sklearn_prune.predictors import (
    MISSING_LEFT,
    MISSING_RIGHT,
    MISSING_ZERO,
    CategorySet,
    TreeArrays,
)

_LINKS = {
    "binary": ("logit", "logistic"),
    "multiclass": ("softmax", "softmax"),
    "multiclassova": ("one_vs_rest", None),
    "regression": ("identity", "squared"),
    "regression_l1": ("identity", None),
    "huber": ("identity", None),
    "fair": ("identity", None),
    "quantile": ("identity", None),
    "mape": ("identity", None),
    "poisson": ("log", "poisson"),
    "gamma": ("log", "gamma"),
    "tweedie": ("log", None),
    "cross_entropy": ("logit", "logistic"),
    "cross_entropy_lambda": ("log1p", None),
}


def _refusal(model):
    """Why a LightGBM model has no predictor of its own, or None."""
    name = type(model).__name__
    if not hasattr(model, "_Booster") or model._Booster is None:
        return None
    if callable(getattr(model, "objective", None)):
        return f"{name} has an objective of its own, whose scores have no known meaning"
    text = model.booster_.model_to_string(num_iteration=1)
    objective = _header(text)["objective"].split()[0]
    if objective not in _LINKS:
        return f"{name} has the objective {objective!r}"
    if "is_linear=1" in text:
        return f"{name} has linear models in its leaves"
    return None


def _read(model, X=None):
    """Trees up to the best iteration, and what their sum means."""
    text = model.booster_.model_to_string()
    head, *blocks = text.partition("\nend of trees")[0].split("\nTree=")
    header = _header(head)
    per_iteration = int(header["num_tree_per_iteration"])
    sets = []
    parts = [
        _read_tree(block, sets, *divmod(number, per_iteration))
        for number, block in enumerate(blocks)
    ]
    objective, *options = header["objective"].split()
    link, loss = _LINKS[objective]
    slope = 1.0
    for option in options:
        if option.startswith("sigmoid:"):
            slope = float(option.removeprefix("sigmoid:"))
    if "sqrt" in options:
        link, loss = "sqrt", None
    if slope != 1.0:
        loss = None
    return BoostedModel(
        trees=boosted_trees(parts, sets),
        start=np.zeros(per_iteration),
        library="lightgbm",
        link=link,
        slope=slope,
        loss=loss,
        n_features=model.n_features_in_,
        divisor=len(blocks) // per_iteration if "average_output" in head.split("\n") else 1,
        zeros_missing="[zero_as_missing: 1]" in text,
        categories=_categories(text, X),
        # LightGBM makes names up where X has none, and rewrites others.
        names=getattr(X, "columns", None),
        n_fitted=model.booster_.current_iteration(),
    )


def _needs_frame(model):
    text = model.booster_.model_to_string(num_iteration=1)
    found = _lists_of_categories(text)
    if not found or _columns_of_categories(text, found) is not None:
        return None
    return (
        "its categories are known from the frame of its fit only: LightGBM stores their "
        "values, and not which columns have them beside ordered ones"
    )


def _header(text):
    lines = text.partition("\nTree=")[0].split("\n")
    return dict(line.split("=", 1) for line in lines if "=" in line)


def _lists_of_categories(text):
    """Values of each column of the fit that pandas had as categories."""
    return json.loads(text.rpartition("pandas_categorical:")[2] or "null") or []


def _categories(text, X):
    """Values of the categorical columns of a frame, which the model saw as positions."""
    found = _lists_of_categories(text)
    if not found:
        return None
    if hasattr(X, "dtypes") and hasattr(X, "iloc"):
        columns = [
            number
            for number, dtype in enumerate(X.dtypes)
            if getattr(dtype, "name", "") == "category"
        ]
    else:
        columns = _columns_of_categories(text, found)
        if columns is None:
            return None
    return {
        column: values_of_categories(values)
        for column, values in zip(columns, found, strict=True)
    }


def _columns_of_categories(text, lists):
    """Which columns had these lists of categories, in their order; None if unknown.

    LightGBM does not store it. They are the columns that it splits by sets of categories,
    and those that pandas had as ordered categories. A choice counts if it is the only one
    whose values are positions in the lists.
    """
    infos = _header(text)["feature_infos"].split()
    listed = text.rpartition("[categorical_feature: ")[2].partition("]")[0].split(",")
    by_sets = {int(number) for number in listed if number}
    chosen = [[()]] + [[] for _ in lists]  # up to two choices for the first lists of each
    for column, info in enumerate(infos):
        for k in range(len(lists), -1, -1):
            without = [] if column in by_sets else chosen[k]
            fits = k and _are_positions(info, lists[k - 1])
            more = [(*each, column) for each in chosen[k - 1]] if fits else []
            chosen[k] = (without + more)[:2]
    return chosen[-1][0] if len(chosen[-1]) == 1 else None


def _are_positions(info, values):
    """Whether all values of a column may be positions in a list.

    LightGBM describes a column as "none", "[lowest:highest]", or "one:of:each".
    """
    if info == "none":
        return True
    found = [float(part) for part in info.strip("[]").split(":")]
    least = 0 if info[0] == "[" else -1  # for missing values
    return all(least <= v < len(values) and v.is_integer() for v in found)


def _numbers(fields, name, dtype):
    return np.array(fields.get(name, "").split(), dtype=dtype)


def _read_tree(block, sets, iteration, output):
    """Splits come first, leaves after them, which keeps parents before children."""
    fields = dict(line.split("=", 1) for line in block.split("\n") if "=" in line)
    n_leaves = int(fields["num_leaves"])
    n_splits = n_leaves - 1
    kinds = _numbers(fields, "decision_type", np.int64)
    thresholds = _numbers(fields, "threshold", np.float64)
    is_set, default_left, missing = kinds & 1, (kinds >> 1) & 1, (kinds >> 2) & 3
    rules = np.where(
        missing == 0,
        MISSING_ZERO,
        np.where(default_left == 1, MISSING_LEFT, MISSING_RIGHT),
    )
    category = np.full(n_splits, -1)
    if is_set.any():
        bounds = _numbers(fields, "cat_boundaries", np.int64)
        words = _numbers(fields, "cat_threshold", np.uint64).astype("<u4")
        for node in np.flatnonzero(is_set):
            first, last = bounds[int(thresholds[node]) : int(thresholds[node]) + 2]
            bits = np.unpackbits(words[first:last].view(np.uint8), bitorder="little")
            category[node] = len(sets)
            sets.append(CategorySet(bits.astype(bool)))
    tail = np.zeros(n_leaves)
    weights = [
        _numbers(fields, f"{part}_weight", np.float64) for part in ("internal", "leaf")
    ]
    weight = np.concatenate(weights) if n_splits else tail
    left, right = (
        np.append(np.where(child < 0, n_splits + ~child, child), np.full(n_leaves, -1))
        for child in (
            _numbers(fields, f"{side}_child", np.int64) for side in ("left", "right")
        )
    )
    return TreeArrays(
        left=left,
        right=right,
        feature=np.append(_numbers(fields, "split_feature", np.int64), tail),
        threshold=np.append(np.where(is_set, 0.0, thresholds), tail),
        missing=np.append(rules, tail),
        category=np.append(category, tail - 1),
        value=np.append(np.zeros(n_splits), _numbers(fields, "leaf_value", np.float64)),
        weight=weight,
        gain=np.append(_numbers(fields, "split_gain", np.float64), tail),
        iteration=[iteration],
        output=[output],
    )


LIGHTGBM = BoostingReader(_read, _refusal, _needs_frame)
