"""Tree models as `shap.TreeExplainer` reads them."""

import numpy as np

from sklearn_prune._sklearn_compat import count_rows
from sklearn_prune._validation import check_weights
from sklearn_prune.predictors import (
    MISSING_LEFT,
    MISSING_ZERO,
    CompactBoosting,
    CompactColumns,
    CompactForestClassifier,
    CompactForestRegressor,
    CompactPipeline,
    CompactScoreForestClassifier,
    CompactScoreForestRegressor,
    CompactThreshold,
    levels,
)
from sklearn_prune.weight_pruning import compact_form

UNREACHED = 1e-6  # share of all rows that a leaf counts for which none reaches
_BLOCK = 65_536  # rows whose leaves are counted at once
_LARGEST = 32_767  # nodes of a tree that interventional SHAP can number
_LOG_LOSS = "binary_crossentropy"
_MEANS = CompactForestClassifier, CompactForestRegressor
_SUMS = CompactScoreForestClassifier, CompactScoreForestRegressor


class ShapTrees(dict):
    """Trees as `shap.TreeExplainer` takes them, made by `shap_trees`.

    It is a dict with the entries that shap reads. Explain ``trees.rows(X)``, not X: shap
    compares rows with thresholds of its own precision.

    Parameters
    ----------
    model : predictor
        The trees, with their own `trees_`.
    outer : list of predictor
        Pipelines and choices of columns around it, the outermost first.

    Attributes
    ----------
    feature_names : list of str or None
        Names of the columns that are explained, where the model knows them. Of a Pipeline
        these are the columns behind its transformers.
    output_names : list or None
        What each output is for: the classes, where there is one output for each.

    See Also
    --------
    shap_trees : Makes one.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_prune.inspection import shap_trees
    >>> X, y = load_iris(return_X_y=True)
    >>> trees = shap_trees(DecisionTreeClassifier().fit(X, y), X)
    >>> trees.outputs(X[:1])
    array([[1., 0., 0.]])
    """

    def __init__(self, model, outer):
        super().__init__()
        self._model, self._outer = model, outer
        n_features = model.trees_.n_features
        names = getattr(model, "feature_names_in_", None)
        self._columns = np.arange(n_features)
        for part in reversed(outer):
            if not isinstance(part, CompactColumns):
                break
            self._columns = part.columns_[self._columns]
            n_features = part.n_features_in_
            names = getattr(part, "feature_names_in_", names)
        self._n_features = n_features
        named = names is not None and len(names) == n_features
        self.feature_names = [str(name) for name in names] if named else None
        classes, n_outputs = getattr(model, "classes_", ()), model.trees_.n_outputs
        per_class = isinstance(classes, np.ndarray) and len(classes) == n_outputs
        self.output_names = classes.tolist() if per_class else None
        self._edges, self._codes, self._n_steps = {}, {}, 0
        base, self._scale, tree_output = _scale_of(model)
        self._base = np.broadcast_to(np.asarray(base, np.float64), n_outputs).copy()
        self.update(
            base_offset=self._base,
            tree_output=tree_output,
            objective="squared_error" if tree_output == "raw_value" else _LOG_LOSS,
            input_dtype=model.trees_.dtype.type,
            internal_dtype=np.float64,
        )

    def __getitem__(self, key):
        found = super().__getitem__(key)
        if key == "trees":  # shap writes into the weights
            weight = "node_sample_weight"
            found = [{**tree, weight: tree[weight].copy()} for tree in found]
        return found

    def rows(self, X):
        """Prepare rows for shap.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows as `predict` reads them.

        Returns
        -------
        ndarray of shape (n_samples, n_explained)
            The columns that the trees read, behind the transformers of a Pipeline. Values
            of models in double precision are ranks among their thresholds, and categories
            are numbers. Missing values are NaN.
        """
        checked = self._checked(X)
        found = np.array(checked)
        for feature, edges in self._edges.items():
            known = ~np.isnan(checked[:, feature])
            values = checked[known, feature]
            found[known, feature] = np.searchsorted(edges, values, side="left")
        for feature, codes in self._codes.items():
            known = ~np.isnan(checked[:, feature])
            values, last = checked[known, feature], len(codes) - 1
            is_listed = (values > -1) & (values < last)
            listed = np.where(is_listed, values, 0).astype(np.intp)
            found[known, feature] = codes[np.where(is_listed, listed, last)]
        if self._n_features == len(self._columns):
            return found
        full = np.zeros((len(found), self._n_features), dtype=found.dtype)
        full[:, self._columns] = found
        return full

    def outputs(self, X):
        """What the expected value and the SHAP values of a row add up to.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows as `predict` reads them.

        Returns
        -------
        ndarray of shape (n_samples, n_outputs)
            Probabilities of forests and trees that are not refitted, raw scores of boosting
            and of refitted forests, predictions of regressors; in double precision.
        """
        return self._base + self._scale * self._model.trees_.sum(self._checked(X))

    def _checked(self, X):
        return checked_rows(self._model, self._outer, X)


def shap_trees(model, background=None, sample_weight=None):
    """Write the trees of a fitted model in the form that `shap.TreeExplainer` takes.

    There are two kinds of SHAP values [1]_. Path-dependent values take means over the
    branches of the trees, by the weights of the nodes:
    ``shap.TreeExplainer(shap_trees(model, background))``. Interventional values take means
    over the rows of a background: ``shap.TreeExplainer(trees, trees.rows(background))``
    with ``trees = shap_trees(model)``.

    Parameters
    ----------
    model : fitted estimator or predictor
        A tree, forest, extra trees, bagged trees, or boosting of scikit-learn, LightGBM or
        XGBoost; pruned, refitted, loaded from a file or as it was fitted; also inside a
        Pipeline, a search or SampleSubset*.
    background : array-like of shape (n_samples, n_features), default=None
        Rows whose numbers at the nodes are the weights of path-dependent values. Of the
        training rows these are the weights that the model was fitted with, unless it
        resamples rows. A leaf that no row reaches counts a millionth of all rows. None for
        interventional values.
    sample_weight : array-like of shape (n_samples,) or (n_trees, n_samples), default=None
        Weights of the rows of the background, also one for each tree: how often a bootstrap
        sample drew them. None weighs all rows alike.

    Returns
    -------
    ShapTrees
        A dict for shap. The explainer must get its ``rows(X)``. What the values add up to
        is ``outputs(X)``.

    Raises
    ------
    TypeError
        If the model is none of trees. The message names an explainer that fits it.
    ValueError
        If the weights do not fit the rows, or if a tree is too large for interventional
        values.

    See Also
    --------
    rules : The same trees as a table of rules.

    Notes
    -----
    The SHAP values of a row add up to ``outputs(X)`` minus the expected value. This is the
    mean output of the background.

    Interventional code of shap holds thresholds in single precision and 32,767 nodes in a
    tree. Thresholds of models in double precision are therefore replaced by their ranks.
    Sets of categories are written as thresholds on the numbers of categories, which are
    ordered so that few are needed. Neither changes SHAP values.

    Cost: one prediction of the background, and O(n_nodes) beside it.

    References
    ----------
    .. [1] Lundberg and others (2020). From local explanations to global understanding with
       explainable AI for trees. Nature Machine Intelligence 2.

    Examples
    --------
    >>> import shap  # doctest: +SKIP
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_prune import PrunedClassifier
    >>> from sklearn_prune.inspection import shap_trees
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> forest = RandomForestClassifier(random_state=0)
    >>> model = PrunedClassifier(forest, keep=0.1, random_state=0).fit(X, y)
    >>> trees = shap_trees(model, X)
    >>> values = shap.TreeExplainer(trees)(trees.rows(X))  # doctest: +SKIP
    """
    trees, outer = tree_model(compact_form(model, "shap_trees"))
    found = ShapTrees(trees, outer)
    flat = trees.trees_
    arrays = flat.to_arrays()
    value = _spread(arrays, flat) * found._scale
    weight = np.zeros(arrays.n_nodes)
    if background is not None:
        leaves = np.flatnonzero(arrays.is_leaf)
        weight[leaves] = _leaf_weights(
            flat, arrays, found._checked(background), sample_weight
        )
    elif sample_weight is not None:
        raise ValueError(
            "sample_weight must be the weights of a background. Got background=None. Write "
            "shap_trees(model, background, sample_weight)."
        )
    by_depth = levels(arrays)
    found._n_steps = sum(len(nodes) * depth**2 for depth, nodes in enumerate(by_depth, 1))
    for nodes in reversed(by_depth):
        left, right = arrays.left[nodes], arrays.right[nodes]
        weight[nodes] = weight[left] + weight[right]
        share = 0.5 if background is None else (weight[left] / weight[nodes])[:, None]
        value[nodes] = share * value[left] + (1 - share) * value[right]
    threshold = arrays.threshold.copy()
    sides = {}
    if flat.dtype == np.float64:
        _rank_thresholds(arrays, threshold, found._edges)
        sides = _code_categories(arrays, flat.columns.category_sets(), found._codes)
    goes_left = np.where(
        arrays.missing == MISSING_ZERO,
        arrays.threshold >= 0,
        arrays.missing == MISSING_LEFT,
    )
    features = np.where(arrays.is_leaf, -2, found._columns[arrays.feature])
    default = np.where(goes_left, arrays.left, arrays.right)
    parts = []
    for first, last in zip(arrays.start[:-1], arrays.start[1:], strict=True):
        own = slice(first, last)
        tree = {
            "children_left": arrays.left[own],
            "children_right": arrays.right[own],
            "children_default": default[own],
        }
        tree = {
            name: np.where(child < 0, -1, child - first).astype(np.int32)
            for name, child in tree.items()
        }
        tree |= {
            "features": features[own],
            "thresholds": threshold[own],
            "values": value[own],
            "node_sample_weight": weight[own],
        }
        category = arrays.category[own]
        if (category >= 0).any():
            tree = _without_sets(tree, category, sides)
        parts.append(tree)
    largest = max(len(tree["features"]) for tree in parts)
    if background is None and largest > _LARGEST:
        raise ValueError(
            f"Interventional SHAP values need trees of at most {_LARGEST:,} nodes. Got "
            f"{largest:,}. Write shap_trees(model, background), which has path-dependent "
            "values, or prune the model."
        )
    found["trees"] = parts
    return found


def checked_rows(model, outer, X):
    """Rows as the trees compare them, behind what is around them."""
    for part in outer:
        X = part._rows(X)
    return model.trees_.columns.dense(model._check(X))


def tree_model(compact):
    """The predictor with the trees, and what is around it."""
    outer, inner = [], compact
    while not isinstance(inner, (*_MEANS, *_SUMS, CompactBoosting)):
        if isinstance(inner, CompactThreshold):
            inner = inner.members_[0]
            continue
        if not isinstance(inner, CompactPipeline | CompactColumns):
            _refuse(inner, outer)
        outer.append(inner)
        inner = inner._inner
    return inner, outer


def _refuse(predictor, outer):
    """Raise TypeError with an explainer that fits."""
    predictor = getattr(predictor, "model_", predictor)
    explainer = "shap.PermutationExplainer(model.predict, background)"
    if hasattr(predictor, "predict_proba"):
        explainer = "shap.PermutationExplainer(model.predict_proba, background)"
    if hasattr(predictor, "coef_") and not outer:
        explainer = "shap.LinearExplainer(model, background)"
    raise TypeError(
        f"shap_trees needs a model of trees. Got {type(predictor).__name__}. Write "
        f"{explainer}."
    )


def _scale_of(model):
    """Offset of the output, factor of the leaf values, and what shap calls the output."""
    is_binary = isinstance(getattr(model, "classes_", None), np.ndarray)
    is_binary = is_binary and model.trees_.n_outputs == 1
    if isinstance(model, CompactBoosting):
        has_log_odds = is_binary and model.link_ == "logit" and model.slope_ == 1.0
        base = np.asarray(model.start_, dtype=np.float64) / model.divisor_
        return base, 1 / model.divisor_, "log_odds" if has_log_odds else "raw_value"
    if isinstance(model, _SUMS):
        return model.intercept_, 1.0, "log_odds" if is_binary else "raw_value"
    has_shares = hasattr(model, "classes_")
    return 0.0, 1 / model.trees_.n_trees, "probability" if has_shares else "raw_value"


def _spread(arrays, flat):
    """Values of the nodes for all outputs, zeros for those that a tree does not add to."""
    width = arrays.value.shape[1]
    if width == flat.n_outputs:
        return arrays.value.copy()
    tree = arrays.tree_of_nodes()
    first = flat.output_column[tree % len(flat.output_column)]
    value = np.zeros((arrays.n_nodes, flat.n_outputs))
    value[np.arange(len(value))[:, None], first[:, None] + np.arange(width)] = arrays.value
    return value


def _leaf_weights(flat, arrays, rows, sample_weight):
    """Weight of the rows that reach each leaf, in the order of the nodes."""
    n_rows, n_trees = count_rows(rows), flat.n_trees
    weights = np.ones(n_rows) if sample_weight is None else np.asarray(sample_weight)
    if weights.ndim == 2:
        if weights.shape != (n_trees, n_rows):
            raise ValueError(
                "sample_weight must have a row for each tree and a column for each row of "
                f"the background, {(n_trees, n_rows)}. Got shape {weights.shape}. Leave "
                "out the weights of trees that were pruned."
            )
        for of_tree in weights:
            check_weights(of_tree, n_rows)
    else:
        check_weights(weights, n_rows)
    of_trees = np.broadcast_to(np.asarray(weights, np.float64), (n_trees, n_rows))
    tree_of_leaf = arrays.tree_of_nodes()[arrays.is_leaf]
    sizes = np.bincount(tree_of_leaf, minlength=n_trees)
    first = np.cumsum(sizes) - sizes
    found = np.zeros(len(tree_of_leaf))
    for start in range(0, n_rows, _BLOCK):
        part = slice(start, start + _BLOCK)
        leaves = np.minimum(flat.apply_leaves(rows[part]), sizes - 1) + first
        found += np.bincount(
            leaves.ravel(), weights=of_trees[:, part].T.ravel(), minlength=len(found)
        )
    total = of_trees.sum(axis=1)[tree_of_leaf]
    return np.maximum(found, UNREACHED * total)


def _rank_thresholds(arrays, threshold, edges):
    """Put ranks in the place of thresholds, and note the sorted thresholds of a feature."""
    numeric = ~arrays.is_leaf & (arrays.category < 0)
    for feature in np.unique(arrays.feature[numeric]):
        own = numeric & (arrays.feature == feature)
        edges[int(feature)], threshold[own] = np.unique(threshold[own], return_inverse=True)


def _code_categories(arrays, sets, codes):
    """Number the categories so that those of one side mostly lie together.

    Sets `codes` for each feature: the number of each category, and last of all others.
    Returns for each set the side of each number, True for left, and of missing values.
    """
    asked = arrays.category >= 0
    sides = {}
    for feature in np.unique(arrays.feature[asked]):
        used, counts = np.unique(
            arrays.category[asked & (arrays.feature == feature)], return_counts=True
        )
        n_listed = max(len(sets[k].left) for k in used)
        goes_left = np.empty((len(used), n_listed + 1), dtype=bool)
        for row, k in zip(goes_left, used, strict=True):
            row[:] = sets[k].other_left
            row[: len(sets[k].left)] = sets[k].left
        distinct, number = np.unique(goes_left, axis=1, return_inverse=True)
        order = np.argsort(counts @ distinct, kind="stable")[::-1]
        codes[int(feature)] = np.argsort(order)[number.ravel()]
        for k, row in zip(used, distinct[:, order], strict=True):
            sides[int(k)] = row, bool(sets[k].missing_left)
    return sides


def _without_sets(tree, category, sides):
    """A tree of thresholds in which chains of splits stand for sets of categories.

    A chain has one copy of a subtree for each run of categories of its side. The weights
    within a copy are in proportion to those of the subtree, so path-dependent SHAP values
    do not change.
    """
    left, right = tree["children_left"], tree["children_right"]
    weights = tree["node_sample_weight"]
    names = ("children_left", "children_right", "children_default")
    rest = ("features", "thresholds", "values", "node_sample_weight")
    new = {name: [] for name in (*names, *rest)}

    def add(node, threshold, weight):
        entries = (-1, -1, -1, tree["features"][node], threshold, tree["values"][node])
        for name, entry in zip(new, (*entries, weight), strict=True):
            new[name].append(entry)
        return len(new["features"]) - 1

    def share_of_left(node):
        return weights[left[node]] / weights[node] if weights[node] > 0 else 0.5

    pending = [(0, weights[0], None, ())]
    while pending:
        node, weight, parent, places = pending.pop()
        if left[node] >= 0 and category[node] >= 0:
            runs, ends, missing_left = _runs(*sides[int(category[node])])
            share = share_of_left(node)
            n_left = int(runs.sum())
            parts = weight * np.where(
                runs, share / n_left, (1 - share) / (len(runs) - n_left)
            )
            above = parts[::-1].cumsum()[::-1]
            for place, (run, end) in enumerate(zip(runs[:-1], ends, strict=True)):
                split = add(node, end, above[place])
                for name in places:
                    new[name][parent] = split
                parent, places = split, ["children_right"]
                hit = ["children_left"]
                (hit if run == missing_left else places).append("children_default")
                child = left[node] if run else right[node]
                pending.append((child, parts[place], split, tuple(hit)))
            child = left[node] if runs[-1] else right[node]
            pending.append((child, parts[-1], parent, tuple(places)))
            continue
        own = add(node, tree["thresholds"][node], weight)
        for name in places:
            new[name][parent] = own
        if left[node] >= 0:
            to_left = weight * share_of_left(node)
            for child, name, part in (
                (left[node], "children_left", to_left),
                (right[node], "children_right", weight - to_left),
            ):
                default = child == tree["children_default"][node]
                places = (name, "children_default") if default else (name,)
                pending.append((child, part, own, places))
    return {name: np.array(column, dtype=tree[name].dtype) for name, column in new.items()}


def _runs(goes_left, missing_left):
    """Side of each run of equal sides, the upper end of all but the last, and of NaN.

    Both sides have a run: one that no category has lies beyond all of them.
    """
    last = np.flatnonzero(goes_left[1:] != goes_left[:-1])
    runs = goes_left[np.append(last, len(goes_left) - 1)]
    ends = last + 0.5
    if len(runs) == 1:
        runs, ends = np.append(runs, ~runs), np.array([len(goes_left) - 0.5])
    return runs, ends, missing_left
