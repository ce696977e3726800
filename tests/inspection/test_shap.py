"""SHAP values of every tree form: additive, and those of the model that was fitted."""

import copy
import pickle

import numpy as np
import pytest
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_iris,
    load_wine,
    make_classification,
    make_multilabel_classification,
)
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    VotingClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    train_test_split,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_prune import (
    PrunedClassifier,
    PrunedRegressor,
    SampleSubsetClassifier,
    compact,
)
from sklearn_prune.inspection import shap_trees
from sklearn_prune.persistence import load, save

shap = pytest.importorskip("shap")


def rows_of(kind):
    """Training rows, test rows and training targets."""
    rng = np.random.RandomState(0)
    if kind == "numbers":
        X, y = load_diabetes(return_X_y=True)
    elif kind == "classes":
        X, y = load_wine(return_X_y=True)
    elif kind == "categories":
        X, y = make_classification(1200, 8, random_state=0)
        X[:, 0], X[:, 1] = rng.randint(12, size=(2, 1200))
        y = ((X[:, 0] % 3 == 1) ^ (X[:, 1] % 4 > 1) ^ (X[:, 2] > 0)).astype(int)
        X[rng.rand(1200) < 0.05, 0] = np.nan
    else:
        X, y = load_breast_cancer(return_X_y=True)
    if kind == "missing":
        X[rng.rand(*X.shape) < 0.1] = np.nan
    X_train, X_test, y_train, _ = train_test_split(X, y, random_state=0, test_size=0.25)
    return X_train, X_test, y_train


def forms():
    """Name, kind of rows, and unfitted model."""
    seed = {"random_state": 0}
    hist, extra = HistGradientBoostingClassifier, ExtraTreesClassifier
    yield "forest", "binary", RandomForestClassifier(20, **seed)
    yield "forest of classes", "classes", RandomForestClassifier(20, **seed)
    yield "extra trees", "binary", extra(20, **seed)
    yield "forest for numbers", "numbers", RandomForestRegressor(20, **seed)
    yield "tree", "binary", DecisionTreeClassifier(**seed)
    yield "tree for numbers", "numbers", DecisionTreeRegressor(max_depth=6, **seed)
    yield "forest with missing values", "missing", RandomForestClassifier(20, **seed)
    yield "bagging", "binary", BaggingClassifier(DecisionTreeClassifier(), 10, **seed)
    yield "gradient", "binary", GradientBoostingClassifier(n_estimators=30, **seed)
    yield "gradient for numbers", "numbers", GradientBoostingRegressor(**seed)
    yield (
        "gradient of classes",
        "classes",
        GradientBoostingClassifier(n_estimators=9, **seed),
    )
    yield "hist", "missing", hist(max_iter=20, **seed)
    yield "hist of classes", "classes", hist(max_iter=10, **seed)
    yield "hist for numbers", "numbers", HistGradientBoostingRegressor(max_iter=20, **seed)
    categories = hist(max_iter=20, categorical_features=[0, 1], **seed)
    yield "hist with categories", "categories", categories
    yield (
        "pipeline",
        "binary",
        make_pipeline(StandardScaler(), RandomForestClassifier(20, **seed)),
    )
    try:
        import lightgbm
        import xgboost
    except ImportError:
        return
    light = {"verbose": -1, "n_jobs": 1, **seed}
    yield "lightgbm", "missing", lightgbm.LGBMClassifier(n_estimators=20, **light)
    yield "lightgbm of classes", "classes", lightgbm.LGBMClassifier(n_estimators=9, **light)
    yield (
        "lightgbm for numbers",
        "numbers",
        lightgbm.LGBMRegressor(n_estimators=20, **light),
    )
    xgb = {"n_jobs": 1, **seed}
    yield "xgboost", "missing", xgboost.XGBClassifier(n_estimators=20, **xgb)
    yield "xgboost of classes", "classes", xgboost.XGBClassifier(n_estimators=9, **xgb)
    yield "xgboost for numbers", "numbers", xgboost.XGBRegressor(n_estimators=20, **xgb)


FORMS = {name: (kind, model) for name, kind, model in forms()}
# Those whose weights of the nodes shap reads right and are numbers of training rows.
AS_FITTED = (
    *("extra trees", "tree", "tree for numbers", "gradient", "gradient for numbers"),
    *("hist", "hist of classes", "hist for numbers"),
    *("lightgbm", "lightgbm of classes", "lightgbm for numbers"),
)


def pruned(name, keep):
    kind, model = FORMS[name]
    X, X_test, y = rows_of(kind)
    wrapper = PrunedRegressor if kind == "numbers" else PrunedClassifier
    return wrapper(model, keep=keep, random_state=0).fit(X, y), X, X_test, y


def three_axes(values):
    values = np.asarray(values)
    return values if values.ndim == 3 else values[..., None]


def path_dependent(trees, X):
    """SHAP values (n_rows, n_features, n_outputs) and expected values."""
    explainer = shap.TreeExplainer(trees)
    values = explainer.shap_values(trees.rows(X), check_additivity=False)
    return three_axes(values), np.atleast_1d(explainer.expected_value)


def largest_error(values, expected, outputs):
    """Largest error of additivity, relative to the scale of the outputs."""
    return np.abs(values.sum(axis=1) + expected - outputs).max() / np.abs(outputs).max()


@pytest.mark.parametrize("keep", [1.0, 0.1])
@pytest.mark.parametrize("name", list(FORMS))
def test_values_add_up_to_the_output(name, keep):
    model, X, X_test, _ = pruned(name, keep)
    trees = shap_trees(model, X)
    values, expected = path_dependent(trees, X_test)
    outputs = trees.outputs(X_test)
    assert largest_error(values, expected, outputs) < 1e-9
    # A leaf that no row reaches has a weight of a millionth.
    assert np.allclose(expected, trees.outputs(X).mean(axis=0), rtol=1e-3, atol=1e-4)

    trees = shap_trees(model)
    explainer = shap.TreeExplainer(trees, trees.rows(X[:40]))
    values = three_axes(
        explainer.shap_values(trees.rows(X_test[:30]), check_additivity=False)
    )
    error = largest_error(values, explainer.expected_value, outputs[:30])
    assert error < 1e-6
    assert np.allclose(
        explainer.expected_value, trees.outputs(X[:40]).mean(axis=0), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("name", [name for name in AS_FITTED if name in FORMS])
def test_values_are_those_of_the_fitted_model(name):
    model, X, X_test, y = pruned(name, 1.0)
    values, _ = path_dependent(shap_trees(model, X), X_test)
    fitted = FORMS[name][1].fit(X, y)
    theirs = three_axes(
        shap.TreeExplainer(fitted).shap_values(X_test, check_additivity=False)
    )
    assert values.shape == theirs.shape
    assert np.abs(values - theirs).max() <= 1e-10 * max(1, np.abs(theirs).max())


@pytest.mark.parametrize("name", ["forest", "forest of classes", "forest for numbers"])
def test_weights_of_bootstrap_samples_give_the_values_of_the_forest(name):
    model, X, X_test, y = pruned(name, 1.0)
    forest = FORMS[name][1].fit(X, y)
    drawn = [np.bincount(rows, minlength=len(X)) for rows in forest.estimators_samples_]
    values, _ = path_dependent(shap_trees(model, X, drawn), X_test)
    theirs = three_axes(shap.TreeExplainer(forest).shap_values(X_test))
    assert np.abs(values - theirs).max() <= 1e-10 * np.abs(theirs).max()
    unweighted, _ = path_dependent(shap_trees(model, X), X_test)
    assert np.abs(unweighted - theirs).max() > 1e-6


def test_weights_of_rows_are_those_of_the_fit():
    X, X_test, y = rows_of("binary")
    weights = np.random.RandomState(0).randint(1, 5, size=len(X))
    tree = DecisionTreeClassifier(random_state=0).fit(X, y, sample_weight=weights)
    values, _ = path_dependent(shap_trees(tree, X, weights), X_test)
    assert np.allclose(values, shap.TreeExplainer(tree).shap_values(X_test), atol=1e-12)


def marginal(model, X, background, columns):
    """Interventional SHAP values by brute force over all sets of a few columns."""
    from itertools import combinations
    from math import factorial

    def value(row, chosen):
        mixed = background.copy()
        mixed[:, list(chosen)] = row[list(chosen)]
        return model(mixed).mean(axis=0)

    found = []
    for row in X:
        of_row = []
        for column in columns:
            others = [one for one in columns if one != column]
            total = 0
            for size in range(len(columns)):
                share = factorial(size) * factorial(len(columns) - size - 1)
                for chosen in combinations(others, size):
                    gain = value(row, (*chosen, column)) - value(row, chosen)
                    total = total + share / factorial(len(columns)) * gain
            of_row.append(total)
        found.append(of_row)
    return np.array(found)


@pytest.mark.parametrize("name", ["hist", "lightgbm", "xgboost"])
def test_categories_against_all_sets_of_columns(name):
    X, X_test, y = rows_of("categories")
    X, X_test = X[:, :4], X_test[:, :4]
    if name == "hist":
        model = HistGradientBoostingClassifier(
            max_iter=5, categorical_features=[0, 1], random_state=0
        )
        model.fit(X, y)
    else:
        library = pytest.importorskip(name)
        if name == "lightgbm":
            model = library.LGBMClassifier(
                n_estimators=5, verbose=-1, n_jobs=1, min_data_per_group=5, cat_smooth=1
            )
            model.fit(X, y, categorical_feature=[0, 1])
        else:
            model = library.XGBClassifier(
                n_estimators=5, n_jobs=1, feature_types=list("ccqq"), max_cat_to_onehot=1
            )
            model.fit(X, y)
    predictor = compact(model)
    assert predictor.trees_.columns.category_bits.size
    trees = shap_trees(predictor)
    explainer = shap.TreeExplainer(trees, trees.rows(X[:25]))
    values = explainer.shap_values(trees.rows(X_test[:6]), check_additivity=False)
    brute = marginal(trees.outputs, X_test[:6], X[:25], range(4))[..., 0]
    assert np.abs(values - brute).max() < 1e-6
    assert np.abs(brute[:, :2]).max() > 0.01  # the categories matter


def test_chains_of_splits_do_not_change_path_dependent_values():
    """Chains of splits against the definition, by the weights of the training rows."""
    X, X_test, y = rows_of("categories")
    X, X_test = np.nan_to_num(X[:, :4]), np.nan_to_num(X_test[:, :4])
    order = np.array([5, 3, 1, 0, 8, 2, 4, 6, 7, 9, 11, 10])
    X[:, 0], X_test[:, 0] = order[X[:, 0].astype(int)], order[X_test[:, 0].astype(int)]
    model = HistGradientBoostingClassifier(
        max_iter=3, max_depth=2, categorical_features=[0], random_state=0
    ).fit(X, y)
    trees = shap_trees(model, X)
    values, expected = path_dependent(trees, X_test)
    brute = np.array([_conditional(model, X, row) for row in X_test[:10]])
    assert np.abs(values[:10, :, 0] - brute).max() < 1e-10
    assert largest_error(values, expected, trees.outputs(X_test)) < 1e-12


def _conditional(model, X, row):
    """Path-dependent SHAP values of one row by the definition, from the own trees."""
    from itertools import combinations
    from math import factorial

    flat = compact(model).trees_
    sets = flat.columns.category_sets()
    n_features = X.shape[1]
    total = np.zeros(n_features)
    for part in flat.to_arrays().one_by_one():

        def left_of(node, values, part=part):
            if part.category[node] >= 0:
                chosen = sets[part.category[node]]
                codes = values[:, part.feature[node]].astype(int)
                inside = codes < len(chosen.left)
                return np.where(
                    inside, chosen.left[np.where(inside, codes, 0)], chosen.other_left
                )
            return values[:, part.feature[node]] <= part.threshold[node]

        def mean(node, rows, known, part=part, left_of=left_of):
            if part.left[node] < 0:
                return part.value[node, 0]
            goes = left_of(node, rows)
            children = part.left[node], part.right[node]
            if part.feature[node] in known:
                side = 0 if left_of(node, row[None])[0] else 1
                return mean(children[side], rows[goes if side == 0 else ~goes], known)
            return goes.mean() * mean(children[0], rows[goes], known) + (
                1 - goes.mean()
            ) * mean(children[1], rows[~goes], known)

        for feature in range(n_features):
            others = [one for one in range(n_features) if one != feature]
            for size in range(n_features):
                share = factorial(size) * factorial(n_features - size - 1)
                for known in combinations(others, size):
                    gain = mean(0, X, (*known, feature)) - mean(0, X, known)
                    total[feature] += share / factorial(n_features) * gain
    return total


def test_one_dict_serves_both_kinds_of_values():
    model, X, X_test, _ = pruned("hist", 0.1)
    trees = shap_trees(model, X)
    before, _ = path_dependent(trees, X_test)
    explainer = shap.TreeExplainer(trees, trees.rows(X[:30]))
    explainer.shap_values(trees.rows(X_test[:5]), check_additivity=False)
    after, _ = path_dependent(trees, X_test)
    assert np.array_equal(before, after)


def test_rows_on_a_threshold_stay_on_their_side():
    X, _, y = rows_of("numbers")
    X = X * (1 + 1e-12)
    model = HistGradientBoostingRegressor(max_iter=10, random_state=0).fit(X, y)
    trees = shap_trees(model)
    flat = compact(model).trees_.to_arrays()
    on = X[:40].copy()
    for feature in range(X.shape[1]):
        own = flat.threshold[(flat.feature == feature) & ~flat.is_leaf]
        if len(own):
            on[:, feature] = own[np.arange(40) % len(own)]
    explainer = shap.TreeExplainer(trees, trees.rows(X[:30]))
    values = explainer.shap_values(trees.rows(on), check_additivity=False)
    found = values.sum(axis=1) + explainer.expected_value
    assert np.allclose(found, model.predict(on), rtol=1e-6)


@pytest.mark.parametrize("name", ["forest", "hist", "lightgbm"])
def test_every_holder_of_a_model_gives_the_same_values(name, tmp_path):
    if name not in FORMS:
        pytest.skip("needs lightgbm")
    model, X, X_test, y = pruned(name, 0.1)
    expected, _ = path_dependent(shap_trees(model, X), X_test)
    save(model, tmp_path / "model.skprune")
    pipeline = make_pipeline(StandardScaler(with_mean=False, with_std=False), model)
    holders = [
        model.compact_,
        load(tmp_path / "model.skprune"),
        pickle.loads(pickle.dumps(model)),
        FixedThresholdClassifier(model, threshold=0.3).fit(X, y),
        pipeline.fit(X, y),
        SampleSubsetClassifier(model, keep=1.0).fit(X, y),
        GridSearchCV(model, {"keep": [0.1]}, cv=2).fit(X, y),
    ]
    for holder in holders:
        values, _ = path_dependent(shap_trees(holder, X), X_test)
        assert np.array_equal(values, expected)


def test_columns_that_are_gone_have_zeros():
    pd = pytest.importorskip("pandas")
    X, X_test, y = rows_of("binary")
    names = [f"column {number}" for number in range(X.shape[1])]
    X, X_test = (pd.DataFrame(part, columns=names) for part in (X, X_test))
    model = PrunedClassifier(
        GradientBoostingClassifier(n_estimators=5, random_state=0), unit="feature", keep=4
    ).fit(X, y)
    trees = shap_trees(model, X)
    values, expected = path_dependent(trees, X_test)
    gone = ~model.get_support()
    assert values.shape[1] == X.shape[1]
    assert (values[:, gone] == 0).all()
    assert np.abs(values[:, ~gone]).max() > 0
    assert trees.feature_names == names
    assert largest_error(values, expected, trees.outputs(X_test)) < 1e-9


def test_a_pipeline_is_explained_by_its_transformed_columns():
    X, X_test, y = rows_of("binary")
    model = make_pipeline(SelectKBest(k=5), RandomForestClassifier(5, random_state=0))
    trees = shap_trees(model.fit(X, y), X)
    values, _ = path_dependent(trees, X_test)
    inner = model[-1]
    theirs = path_dependent(
        shap_trees(inner, model[0].transform(X)), model[0].transform(X_test)
    )
    assert np.array_equal(values, theirs[0])


def test_names_of_outputs_and_columns():
    pd = pytest.importorskip("pandas")
    frame = load_iris(as_frame=True)
    forest = RandomForestClassifier(3, random_state=0).fit(frame.data, frame.target)
    trees = shap_trees(forest)
    assert trees.output_names == [0, 1, 2]
    assert trees.feature_names == list(frame.data.columns)
    values = shap.TreeExplainer(trees, trees.rows(frame.data[:20]))
    assert values.expected_value.shape == (3,)
    assert isinstance(frame.data, pd.DataFrame)
    plain = RandomForestClassifier(3, random_state=0).fit(
        frame.data.to_numpy(), frame.target
    )
    assert shap_trees(plain).feature_names is None


def test_several_targets():
    X, y = make_multilabel_classification(200, 6, n_classes=3, random_state=0)
    forest = RandomForestClassifier(5, random_state=0).fit(X, y)
    trees = shap_trees(forest, X)
    values, expected = path_dependent(trees, X[:20])
    assert values.shape == (20, 6, 6)
    assert largest_error(values, expected, trees.outputs(X[:20])) < 1e-9
    numbers = RandomForestRegressor(5, random_state=0).fit(X, X[:, :2])
    values, _ = path_dependent(shap_trees(numbers, X), X[:20])
    assert values.shape == (20, 6, 2)


def test_probabilities_of_two_classes():
    model, X, X_test, _ = pruned("hist", 0.1)
    trees = shap_trees(model)
    explainer = shap.TreeExplainer(trees, trees.rows(X[:50]), model_output="probability")
    values = explainer.shap_values(trees.rows(X_test[:20]), check_additivity=False)
    found = values.sum(axis=1) + explainer.expected_value
    assert np.allclose(found, model.predict_proba(X_test[:20])[:, 1], atol=1e-6)


@pytest.mark.parametrize(
    "model",
    [GradientBoostingClassifier(loss="exponential"), "classes"],
    ids=["slope", "softmax"],
)
def test_outputs_that_are_no_log_odds_are_not_called_so(model):
    X, _, y = rows_of("classes" if model == "classes" else "binary")
    if model == "classes":
        model = GradientBoostingClassifier(n_estimators=3)
    fitted = model.fit(X, y)
    trees = shap_trees(fitted)
    assert trees["tree_output"] == "raw_value"
    scores = fitted.decision_function(X)
    assert np.allclose(trees.outputs(X), scores.reshape(len(X), -1))


def test_quantized_trees():
    X, X_test, y = rows_of("binary")
    model = PrunedClassifier(
        RandomForestClassifier(10, random_state=0), keep=0.2, quantize="int8"
    ).fit(X, y)
    trees = shap_trees(model, X)
    values, expected = path_dependent(trees, X_test)
    assert largest_error(values, expected, trees.outputs(X_test)) < 1e-9


def test_trees_without_splits():
    X, X_test, _ = rows_of("binary")
    tree = DecisionTreeClassifier().fit(X, np.zeros(len(X)))
    values, expected = path_dependent(shap_trees(tree, X), X_test)
    assert (values == 0).all()
    assert expected == 1.0


def test_leaves_without_rows():
    model, X, X_test, _ = pruned("forest", 1.0)
    trees = shap_trees(model, X[:5])
    values, expected = path_dependent(trees, X_test)
    assert largest_error(values, expected, trees.outputs(X_test)) < 1e-9


def test_pickles():
    model, X, X_test, _ = pruned("hist with categories", 0.1)
    trees = shap_trees(model, X)
    again = pickle.loads(pickle.dumps(trees))
    expected, _ = path_dependent(trees, X_test)
    assert np.array_equal(path_dependent(again, X_test)[0], expected)
    assert np.array_equal(path_dependent(copy.copy(trees), X_test)[0], expected)


@pytest.mark.parametrize(
    ("model", "explainer"),
    [
        (LogisticRegression(max_iter=5000), "LinearExplainer(model, background)"),
        (GaussianNB(), "PermutationExplainer(model.predict_proba, background)"),
        (make_pipeline(StandardScaler(), Ridge()), "PermutationExplainer(model.predict, "),
        (
            VotingClassifier([("tree", DecisionTreeClassifier())], voting="soft"),
            "PermutationExplainer(model.predict_proba, background)",
        ),
    ],
    ids=["linear", "bayes", "pipeline", "vote"],
)
def test_other_models_are_refused_with_an_explainer_that_fits(model, explainer):
    X, _, y = rows_of("binary")
    model = model.fit(X, y)
    for holder in (model, compact(model)):
        with pytest.raises(TypeError, match="needs a model of trees") as raised:
            shap_trees(holder, X)
        assert explainer in str(raised.value)


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(max_iter=5000),
        pytest.param(GaussianNB(), marks=pytest.mark.slow),
    ],
    ids=["linear", "bayes"],
)
def test_the_explainer_that_is_named_works(model):
    X, X_test, y = rows_of("binary")
    model = model.fit(X, y)
    for holder in (model, compact(model)):
        with pytest.raises(TypeError) as raised:
            shap_trees(holder, X)
        call = str(raised.value).rpartition("Write ")[2].rstrip(".")
        explained = eval(call, {"shap": shap, "model": holder, "background": X[:20]})
        values = explained(X_test[:2]).values
        assert np.isfinite(values).all()
        assert np.abs(values).max() > 0


def test_refusals():
    X, _, y = rows_of("binary")
    tree = DecisionTreeClassifier(random_state=0)
    with pytest.raises(NotFittedError):
        shap_trees(tree, X)
    tree.fit(X, y)
    with pytest.raises(TypeError, match="shap_trees takes a fitted estimator"):
        shap_trees("tree")
    with pytest.raises(ValueError, match="background=None"):
        shap_trees(tree, sample_weight=np.ones(len(X)))
    with pytest.raises(ValueError, match="one finite number"):
        shap_trees(tree, X, np.ones(3))
    with pytest.raises(ValueError, match="a row for each tree"):
        shap_trees(tree, X, np.ones((2, len(X))))
    with pytest.raises(ValueError, match="features"):
        shap_trees(tree, X[:, :3])


def test_trees_too_large_for_interventional_values():
    rng = np.random.RandomState(0)
    X = rng.rand(40_000, 2)
    tree = DecisionTreeRegressor().fit(X, rng.rand(40_000))
    with pytest.raises(ValueError, match="32,767"):
        shap_trees(tree)
    assert len(shap_trees(tree, X[:10])["trees"]) == 1
