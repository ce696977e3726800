"""Read fitted boosting models: trees, where raw scores start, what they mean."""

from dataclasses import dataclass, replace

import numpy as np

from sklearn_prune.weight_pruning.compact._tree_columns import CategorySet
from sklearn_prune.weight_pruning.families._boosting_arrays import (
    NAN_LEFT,
    NAN_RIGHT,
    BoostedTrees,
    TreeStack,
)

LINKS = {
    "HalfSquaredError": "identity",
    "AbsoluteError": "identity",
    "PinballLoss": "identity",
    "HuberLoss": "identity",
    "HalfPoissonLoss": "log",
    "HalfGammaLoss": "log",
    "HalfBinomialLoss": "logit",
    "ExponentialLoss": "logit",
    "HalfMultinomialLoss": "softmax",
}
LOSSES = {
    "HalfSquaredError": "squared",
    "AbsoluteError": None,
    "PinballLoss": None,
    "HuberLoss": None,
    "HalfPoissonLoss": "poisson",
    "HalfGammaLoss": "gamma",
    "HalfBinomialLoss": "logistic",
    "ExponentialLoss": "exponential",
    "HalfMultinomialLoss": "softmax",
}


@dataclass(frozen=True)
class BoostedModel:
    """A fitted boosting model.

    Parameters
    ----------
    trees : BoostedTrees
        The trees.
    start : ndarray of shape (n_outputs,), float64 or float32
        Raw score before the first tree; its dtype is the one of the sums.
    library : {"gradient", "hist", "lightgbm", "xgboost"}
        Whose conventions hold.
    link : {"identity", "log", "sqrt", "log1p", "logit", "softmax", "one_vs_rest"}
        How raw scores become what is predicted.
    slope : float
        Factor of the raw score inside the logistic function.
    loss : str or None
        What the trees minimise, where a Newton step exists for it.
    n_features : int
        Number of columns of X.
    divisor : int
        Raw scores are divided by it before they mean anything: by the number of
        iterations where these are averaged.
    float32 : bool
        Whether X is read in single precision.
    missing : float
        Value that stands for a missing one, beside NaN.
    categories : dict of int to array
        Values of a column that are replaced by their positions.
    classes, names : ndarray or None
        Class labels, feature names.
    zeros_missing : bool
        Whether zeros are missing values, in columns without categories.
    """

    trees: BoostedTrees
    start: np.ndarray
    library: str
    link: str
    loss: str | None
    n_features: int
    slope: float = 1.0
    divisor: int = 1
    float32: bool = False
    missing: float = np.nan
    categories: dict | None = None
    classes: np.ndarray | None = None
    names: np.ndarray | None = None
    zeros_missing: bool = False

    @property
    def n_outputs(self):
        """Number of columns of the raw score."""
        return len(self.start)


def library_of(model):
    """Which reader the class of a model needs."""
    names = {f"{c.__module__.partition('.')[0]}.{c.__name__}" for c in type(model).__mro__}
    if "lightgbm.LGBMModel" in names:
        return "lightgbm"
    if "xgboost.XGBModel" in names:
        return "xgboost"
    return "gradient" if "sklearn.BaseGradientBoosting" in names else "hist"


def read_model(model, X=None):
    """A fitted boosting model as arrays; X tells which columns were categorical frames."""
    library = library_of(model)
    if library == "lightgbm":
        from sklearn_prune.weight_pruning.families._boosting_lightgbm import read_lightgbm

        found = read_lightgbm(model, X)
    elif library == "xgboost":
        from sklearn_prune.weight_pruning.families._boosting_xgboost import read_xgboost

        found = read_xgboost(model, X)
    else:
        found = read_gradient(model) if library == "gradient" else read_hist(model)
    if library == "lightgbm":  # which makes names up where X has none, and rewrites others
        names = getattr(X, "columns", None)
    else:
        names = getattr(model, "feature_names_in_", None)
    return replace(
        found,
        classes=getattr(model, "classes_", None),
        names=None if names is None else np.asarray(names, dtype=object),
    )


def codes_by_frame(model):
    """Whether only a frame tells the columns that hold codes of categories."""
    library = library_of(model)
    if library == "lightgbm":
        tail = model.booster_.model_to_string(num_iteration=1)
        return tail.rpartition("pandas_categorical:")[2].strip() not in ("", "null", "[]")
    return library == "xgboost" and "c" in (model.get_booster().feature_types or ())


def refusal(model):
    """Why a fitted scikit-learn boosting model has no compact form, or None."""
    library = library_of(model)
    if library == "lightgbm":
        from sklearn_prune.weight_pruning.families._boosting_lightgbm import refuse_lightgbm

        return refuse_lightgbm(model)
    if library == "xgboost":
        from sklearn_prune.weight_pruning.families._boosting_xgboost import refuse_xgboost

        return refuse_xgboost(model)
    loss = getattr(model, "_loss", None)
    if loss is not None and type(loss).__name__ not in LINKS:
        return f"{type(model).__name__} has a loss of its own"
    initial = getattr(model, "init_", "zero")
    if not isinstance(initial, str) and (
        type(initial).__module__ != "sklearn.dummy"
        or initial.strategy in ("stratified", "uniform")
    ):
        return f"{type(model).__name__} starts from an init estimator that is no constant"
    return None


def read_gradient(model):
    """Trees of GradientBoostingClassifier or -Regressor; leaves times the learning rate."""
    stack = TreeStack()
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
            stack.add(
                iteration,
                output,
                left=tree.children_left,
                right=tree.children_right,
                feature=tree.feature,
                threshold=tree.threshold,
                missing=NAN_RIGHT,
                value=model.learning_rate * tree.value[:, 0, 0],
                cover=tree.weighted_n_node_samples,
                gain=gain,
            )
    loss = model._loss
    n_outputs = model.n_trees_per_iteration_
    return BoostedModel(
        trees=stack.stacked(),
        start=_start_of_gradient(model, n_outputs),
        library="gradient",
        link=LINKS[type(loss).__name__],
        slope=2.0 if type(loss).__name__ == "ExponentialLoss" else 1.0,
        loss=LOSSES[type(loss).__name__],
        n_features=model.n_features_in_,
        float32=True,
    )


def _start_of_gradient(model, n_outputs):
    """Raw score before the first tree."""
    if isinstance(model.init_, str):
        return np.zeros(n_outputs)
    row = np.zeros((1, model.n_features_in_), dtype=np.float32)
    return model._raw_predict_init(row)[0].astype(np.float64)


def read_hist(model):
    """Trees of HistGradientBoostingClassifier or -Regressor."""
    stack, sets = TreeStack(), []
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
            stack.add(
                iteration,
                output,
                left=np.where(is_leaf, -1, nodes["left"].astype(np.int64)),
                right=np.where(is_leaf, -1, nodes["right"].astype(np.int64)),
                feature=position[np.where(is_leaf, 0, nodes["feature_idx"])],
                threshold=nodes["num_threshold"],
                missing=np.where(nodes["missing_go_to_left"] == 1, NAN_LEFT, NAN_RIGHT),
                category=category,
                value=nodes["value"],
                cover=nodes["count"],
                gain=np.where(is_leaf, 0.0, nodes["gain"]),
            )
    loss = type(model._loss).__name__
    return BoostedModel(
        trees=stack.stacked(sets),
        start=np.ravel(model._baseline_prediction).copy(),
        library="hist",
        link=LINKS[loss],
        loss=LOSSES[loss],
        n_features=model.n_features_in_,
        categories=categories,
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
