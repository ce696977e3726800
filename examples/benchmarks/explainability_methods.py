"""The methods of `explainability.py`: fits, and what is read of each."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import Lasso, LogisticRegression, LogisticRegressionCV, RidgeCV
from sklearn.model_selection import GridSearchCV, ShuffleSplit, StratifiedShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_prune import (
    PrunedClassifier,
    PrunedRegressor,
    StableRulesClassifier,
    StableRulesRegressor,
    compact,
)
from sklearn_prune.inspection import rules

N_RULES = 24
MORE = ("pruned to 32 leaves", "stable rules, depth 2")
SLOW = (  # two refits each
    *("forest, leaves of 5", "pruned, keep=0.05", "stable rules, depth by CV"),
    *("RuleFit", "EBM"),
)
PEERS = {
    "FIGS": "imodels",
    "HSTree": "imodels",
    "RuleFit": "imodels",
    "EBM": "interpret",
}


@dataclass(frozen=True)
class Fitted:
    """A fitted model, and what a person reads of it.

    Parameters
    ----------
    model : estimator
        What predicts.
    n_conditions : float
        Number of distinct conditions, or of terms.
    n_features : int
        Number of features.
    read : callable
        Gives for rows the mean number of conditions that a prediction asks.
    """

    model: object
    n_conditions: float
    n_features: int
    read: Callable


def of_trees(model):
    """What is read of trees: conditions on the paths of the rows."""
    predictor = compact(model)
    sums = predictor.trees_.to_arrays()
    inner = ~sums.is_leaf
    conditions = set(zip(sums.feature[inner], sums.threshold[inner], strict=True))
    depth = np.zeros(sums.n_nodes)
    for node in np.flatnonzero(inner):  # parents come before children
        depth[[sums.left[node], sums.right[node]]] = depth[node] + 1
    leaves = [
        depth[first:last][~inner[first:last]]
        for first, last in zip(sums.start[:-1], sums.start[1:], strict=True)
    ]

    def read(X):
        numbers = predictor.trees_.apply_leaves(predictor._check(X))
        return sum(own[of].mean() for own, of in zip(leaves, numbers.T, strict=True))

    return Fitted(model, len(conditions), len({f for f, _ in conditions}), read)


def of_rules(model, X):
    """What is read of rules: the conditions of all of them."""
    table = rules(model, X)
    found = table.to_read()
    asked = sum(text.count(" and ") + 1 for text in table.texts())
    return Fitted(model, found["n_conditions"], found["n_features"], lambda rows: asked)


def forest(X, y, seed, classifies, **params):
    kind = RandomForestClassifier if classifies else RandomForestRegressor
    return kind(100, random_state=seed, **params)


def plain_forest(X, y, seed, classifies):
    return of_trees(forest(X, y, seed, classifies).fit(X, y))


def leaves_of_five(X, y, seed, classifies):
    model = forest(X, y, seed, classifies, min_samples_leaf=5)
    return of_trees(model.fit(X, y))


def pruned(**params):
    def fit(X, y, seed, classifies):
        kind = PrunedClassifier if classifies else PrunedRegressor
        model = kind(forest(X, y, seed, classifies), random_state=seed, **params)
        return of_trees(model.fit(X, y))

    return fit


def stable(max_depth):
    def fit(X, y, seed, classifies):
        kind = StableRulesClassifier if classifies else StableRulesRegressor
        model = kind(N_RULES, max_depth=max_depth, random_state=seed)
        return of_rules(model.fit(X, y), X)

    return fit


def stable_by_cv(X, y, seed, classifies):
    """The largest number of conditions of a rule, 1 to 3, is chosen on held-out rows."""
    kind = StableRulesClassifier if classifies else StableRulesRegressor
    scoring = "neg_log_loss" if classifies else "neg_mean_squared_error"
    grid, model = {"max_depth": [1, 2, 3]}, kind(N_RULES, random_state=seed)
    kind = StratifiedShuffleSplit if classifies else ShuffleSplit
    folds = kind(1, test_size=0.3, random_state=seed)
    search = GridSearchCV(model, grid, scoring=scoring, cv=folds).fit(X, y)
    return of_rules(search.best_estimator_, X)


def one_boosting(X, y, seed, classifies):
    """The boosting of stable rules alone: no halves, and no refit."""
    kind = HistGradientBoostingClassifier if classifies else HistGradientBoostingRegressor
    model = kind(
        learning_rate=0.2,
        max_iter=N_RULES,
        max_depth=1,
        min_samples_leaf=5,
        early_stopping=False,
    )
    return of_rules(model.fit(X, y), X)


def linear(X, y, seed, classifies):
    last = RidgeCV(np.logspace(-2, 4, 13))
    if classifies:
        last = LogisticRegressionCV(
            Cs=(0.01, 0.1, 1.0, 10.0), cv=5, scoring="neg_log_loss", max_iter=1000
        )
    model = make_pipeline(StandardScaler(), last).fit(X, y)
    width = X.shape[1]
    return Fitted(model, width, width, lambda rows: width)


def indicators(cuts):
    """A function that gives whether each row is above each of some cuts."""
    columns, bounds = (np.array(each) for each in zip(*cuts, strict=True))
    return lambda X: (X[:, columns] > bounds).astype(float)


def sparse_indicators(X, y, seed, classifies):
    """L1 on indicators of the deciles, at most 24 of them; then a ridge refit."""
    cuts = [
        (column, cut)
        for column in range(X.shape[1])
        for cut in np.unique(
            np.quantile(X[:, column], np.arange(1, 10) / 10, method="lower")
        )
        if cut < X[:, column].max()
    ]
    Z = indicators(cuts)(X)
    several = classifies and len(np.unique(y)) > 2
    if several:
        raise NotImplementedError
    low, high, kept = 1e-4, 10.0, []
    for _ in range(10):
        middle = np.sqrt(low * high)  # the larger, the more columns
        if classifies:
            model = LogisticRegression(C=middle, l1_ratio=1, solver="liblinear")
        else:
            model = Lasso(1 / (10 * middle), max_iter=5000)
        used = np.flatnonzero(np.ravel(model.fit(Z, y).coef_))
        if len(used) <= N_RULES:
            low, kept = middle, used if len(used) else kept
        else:
            high = middle
    chosen = [cuts[k] for k in kept]
    last = LogisticRegression(max_iter=1000) if classifies else RidgeCV((0.3, 3, 30))
    model = make_pipeline(FunctionTransformer(indicators(chosen)), last).fit(X, y)
    features = len({column for column, _ in chosen})
    return Fitted(model, len(chosen), features, lambda rows: len(chosen))


def cart(X, y, seed, classifies):
    kind = DecisionTreeClassifier if classifies else DecisionTreeRegressor
    grid = {"max_leaf_nodes": [4, 8, 16, 32], "min_samples_leaf": [1, 5, 20]}
    search = GridSearchCV(kind(random_state=seed), grid, cv=5).fit(X, y)
    return of_trees(search.best_estimator_)


def shrunk_tree(X, y, seed, classifies):
    from imodels import HSTreeClassifierCV, HSTreeRegressorCV

    if classifies and len(np.unique(y)) > 2:
        raise NotImplementedError
    kind, tree = HSTreeRegressorCV, DecisionTreeRegressor
    if classifies:
        kind, tree = HSTreeClassifierCV, DecisionTreeClassifier
    model = kind(estimator_=tree(max_leaf_nodes=32, random_state=seed)).fit(X, y)
    own = of_trees(model.estimator_)
    return Fitted(model, own.n_conditions, own.n_features, own.read)


def figs(X, y, seed, classifies):
    from imodels import FIGSClassifier, FIGSRegressor

    kind = FIGSClassifier if classifies else FIGSRegressor
    model = kind(max_rules=N_RULES, random_state=seed).fit(X, y)
    conditions, pending = set(), list(model.trees_)
    while pending:
        node = pending.pop()
        if node.left is not None:
            conditions.add((node.feature, node.threshold))
            pending += [node.left, node.right]

    def read(rows):
        asked = 0
        for row in rows[:100]:
            for tree in model.trees_:
                node = tree
                while node.left is not None:
                    node = node.left if row[node.feature] <= node.threshold else node.right
                    asked += 1
        return asked / len(rows[:100])

    return Fitted(model, len(conditions), len({f for f, _ in conditions}), read)


def rulefit(X, y, seed, classifies):
    from imodels import RuleFitClassifier, RuleFitRegressor

    if classifies and len(np.unique(y)) > 2:
        raise NotImplementedError
    kind = RuleFitClassifier if classifies else RuleFitRegressor
    names = [f"x{column}" for column in range(X.shape[1])]
    model = kind(max_rules=N_RULES, random_state=seed).fit(X, y, feature_names=names)
    table = model._get_rules()
    table = table[table.coef != 0]
    texts = [part for rule in table["rule"] for part in str(rule).split(" and ")]
    features = {text.split()[0] for text in texts}
    return Fitted(model, len(set(texts)), len(features), lambda rows: len(texts))


def ebm(X, y, seed, classifies):
    """Two bags and no pairs: by default a fit takes minutes."""
    from interpret.glassbox import (
        ExplainableBoostingClassifier,
        ExplainableBoostingRegressor,
    )

    kind = ExplainableBoostingClassifier if classifies else ExplainableBoostingRegressor
    model = kind(outer_bags=2, interactions=0, n_jobs=1, random_state=seed).fit(X, y)
    bins = sum(len(scores) for scores in model.term_scores_)
    width = X.shape[1]
    return Fitted(model, bins, width, lambda rows: width)


METHODS = {
    "forest": plain_forest,
    "forest, leaves of 5": leaves_of_five,
    "pruned, keep=0.05": pruned(keep=0.05),
    "pruned to 32 leaves": pruned(unit="node", keep=21),
    "stable rules": stable(1),
    "stable rules, depth 2": stable(2),
    "stable rules, depth by CV": stable_by_cv,
    "one boosting of stumps": one_boosting,
    "logistic or ridge": linear,
    "L1 of indicators": sparse_indicators,
    "CART by CV": cart,
    "HSTree": shrunk_tree,
    "FIGS": figs,
    "RuleFit": rulefit,
    "EBM": ebm,
}
