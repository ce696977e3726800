import pickle
import warnings
from contextlib import ExitStack
from importlib import import_module

import numpy as np
import pytest
from joblib import parallel_config
from scipy import stats
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, log_loss, make_scorer, mean_squared_error
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
    cross_validate,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_info

from sklearn_prune import (
    PrunedClassifier,
    PrunedRegressor,
    SampleSubsetClassifier,
    SampleSubsetRegressor,
    compare_pruning,
)
from sklearn_prune import sample_selection as ss
from sklearn_prune._describe_functions import canonical_json
from sklearn_prune._lazy import has
from sklearn_prune.comparison.provenance.manifest import first_difference
from sklearn_prune.comparison.run.isolation import seeded
from sklearn_prune.predictors import stored_bytes
from sklearn_prune.weight_pruning.criteria import MagnitudeCriterion, RandomCriterion


class Nearest(ClassifierMixin, BaseEstimator):
    """1-nearest-neighbour that notes its fits and can be told to fail in one."""

    fits = []

    def __init__(self, fail_on=None):
        self.fail_on = fail_on

    def fit(self, X, y, sample_weight=None):
        Nearest.fits.append(len(X))
        if len(Nearest.fits) == self.fail_on:
            raise ValueError("told\nto fail")
        self.X_, self.y_, self.classes_ = X, y, np.unique(y)
        return self

    def predict(self, X):
        distances = ((X[:, None] - self.X_) ** 2).sum(axis=2)
        return self.y_[distances.argmin(axis=1)]


@pytest.fixture(autouse=True)
def forget_fits():
    Nearest.fits.clear()


def values(comparison, variant, measure, role=None):
    frame = comparison.frame()
    role = role or ("baseline" if variant == comparison.baseline else "variant")
    own = frame[
        (frame["variant"] == variant)
        & (frame["role"] == role)
        & (frame["measure"] == measure)
    ]
    return own.sort_values("split")["value"].to_numpy()


def test_scores_are_those_of_plain_cross_validation(classes, folds):
    models = {"a": LogisticRegression(), "b": LinearSVC(random_state=0)}
    cv = clone_of(folds, random_state=3)
    comparison = compare_pruning(models, *classes, baseline="a", cv=cv, scoring="f1")
    for name, model in models.items():
        plain = cross_validate(model, *classes, cv=cv, scoring="f1")["test_score"]
        assert np.array_equal(values(comparison, name, "f1"), plain)


def clone_of(splitter, **attributes):
    copy = pickle.loads(pickle.dumps(splitter))
    for name, value in attributes.items():
        setattr(copy, name, value)
    return copy


def test_equal_models_get_equal_seeds_in_whatever_they_are_wrapped(comparison):
    row = comparison.verdicts().loc["exact"]
    assert row["difference"] == 0
    assert row["p_value"] == 1
    assert row["verdict"] == "not worse"
    assert (values(comparison, "exact", "churn") == 0).all()
    assert len(set(values(comparison, "forest", "accuracy"))) > 1


def test_seeds_differ_between_folds_and_roles():
    forest = RandomForestClassifier()
    first, second = seeded(forest, 1), seeded(forest, 2)
    assert first.random_state != second.random_state
    wrapped = seeded(PrunedClassifier(forest), 1)
    assert wrapped.estimator.random_state == first.random_state
    assert wrapped.random_state not in (None, first.random_state)
    assert seeded(RandomForestClassifier(random_state=7), 1).random_state == 7
    assert forest.random_state is None


def test_verdicts_follow_the_formula(comparison, classes):
    found = comparison.verdicts()
    share = 0.25
    reference = values(comparison, "forest", "accuracy")
    for name in found.index:
        differences = values(comparison, name, "accuracy") - reference
        row = found.loc[name]
        assert row["difference"] == pytest.approx(differences.mean(), abs=1e-12)
        if differences.std() < 1e-12:
            continue
        scale = differences.std(ddof=1) * np.sqrt(1 / 4 + share / (1 - share))
        t = stats.t(3, differences.mean(), scale)
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(t.interval(0.95))
        assert row["p_not_worse"] == pytest.approx(t.sf(-0.01))
        assert row["alpha"] == pytest.approx(0.05 / len(comparison.chains))
        assert row["certifiable_margin"] == pytest.approx(
            max(0, -t.ppf(0.05 / len(comparison.chains)))
        )


def test_chains_are_variants_that_differ_in_one_keep(comparison):
    chains = {chain: set(names) for chain, names in comparison.chains.items()}
    assert chains == {
        "forest": {"exact", "forest, keep=0.5", "forest, keep=0.2"},
        "linear": {"linear"},
        "rows": {"rows 0.5", "rows 0.2"},
    } or set(map(frozenset, chains.values())) == {
        frozenset({"exact", "forest, keep=0.5", "forest, keep=0.2"}),
        frozenset({"linear"}),
        frozenset({"rows 0.5", "rows 0.2"}),
    }
    ordered = next(names for names in comparison.chains.values() if "exact" in names)
    assert ordered == ("exact", "forest, keep=0.5", "forest, keep=0.2")


def test_a_chain_stops_at_its_first_failure(classes, folds):
    tree = DecisionTreeClassifier(random_state=0)
    models = {
        "tree": tree,
        "mild": SampleSubsetClassifier(DummyClassifier(), keep=0.9),
        "harder": SampleSubsetClassifier(DummyClassifier(), keep=0.5),
        "same": clone(tree),
    }
    chains = {"bad first": ["mild", "same"], "other": ["harder"]}
    comparison = compare_pruning(models, *classes, baseline="tree", cv=folds, chains=chains)
    verdicts = comparison.verdicts()
    assert verdicts["verdict"].to_dict() == {
        "mild": "worse",
        "same": "not tested",
        "harder": "worse",
    }
    assert (verdicts["alpha"] == 0.025).all()
    assert verdicts.loc["same", "p_not_worse"] == 1
    assert comparison.smallest_not_worse("nbytes") == "tree"
    chains = {"good first": ["same", "mild", "harder"]}
    comparison = compare_pruning(models, *classes, baseline="tree", cv=folds, chains=chains)
    assert comparison.verdict("same") == "not worse"
    assert comparison.verdict("mild") == "worse"
    assert comparison.verdict("harder") == "not tested"


def test_the_control_is_random_at_the_size_that_was_really_kept(X, y, folds):
    linear = LogisticRegression()
    cleaned = SampleSubsetClassifier(linear, ss.ENNSelector(), keep="auto")
    pruned = PrunedClassifier(
        RandomForestClassifier(10), MagnitudeCriterion(), unit="feature", keep=0.5
    )
    models = {"all": linear, "cleaned": cleaned, "features": pruned}
    comparison = compare_pruning(models, X, y, baseline="all", cv=folds, random_state=5)
    own = values(comparison, "cleaned", "n_samples")
    assert len(set(own)) > 1
    assert np.array_equal(values(comparison, "cleaned", "n_samples", "random"), own)
    expected = {"cleaned": [], "features": []}
    for split in comparison._plan.splits:
        rows = (X[split.train], y[split.train]), (X[split.test], y[split.test])
        n = len(seeded(cleaned, split.seed).fit(*rows[0]).sample_indices_)
        control = clone(cleaned).set_params(selector=ss.RandomSelector(), keep=n)
        expected["cleaned"].append(
            seeded(control, split.seed).fit(*rows[0]).score(*rows[1])
        )
        control = clone(pruned).set_params(criterion=RandomCriterion(), keep=3)
        model = seeded(control, split.seed).fit(*rows[0])
        expected["features"].append(model.score(*rows[1]))
    for name, scores in expected.items():
        assert np.array_equal(values(comparison, name, "accuracy", "random"), scores)


def test_a_shared_control_is_fitted_once(classes):
    nearest = Nearest()
    models = {
        "all": nearest,
        "herding": SampleSubsetClassifier(nearest, ss.HerdingSelector(), keep=0.5),
        "penalty": SampleSubsetClassifier(nearest, ss.L2PenaltySelector(), keep=0.5),
        "random": SampleSubsetClassifier(nearest, keep=0.5),
    }
    comparison = compare_pruning(models, *classes, cv=KFold(3))
    # On the first fold, variants with open seeds are fitted once more.
    assert len(Nearest.fits) == 3 * 4 + 3
    random = values(comparison, "random", "accuracy")
    for name in ("herding", "penalty", "random"):
        assert np.array_equal(values(comparison, name, "accuracy", "random"), random)
    Nearest.fits.clear()
    del models["random"]
    compare_pruning(models, *classes, cv=KFold(3))
    assert len(Nearest.fits) == 3 * 4 + 2
    Nearest.fits.clear()
    compare_pruning(models, *classes, cv=KFold(3), controls=())
    assert len(Nearest.fits) == 3 * 3 + 2


def test_the_small_control_has_the_size_of_the_pruned_model(classes, folds):
    forest = RandomForestClassifier(12)
    models = {
        "forest": forest,
        "tenth": PrunedClassifier(forest, keep=0.1),
        "rows": SampleSubsetClassifier(forest, keep=0.5),
    }
    comparison = compare_pruning(models, *classes, cv=folds, controls=("random", "small"))
    own = values(comparison, "tenth", "n_params").mean()
    small = values(comparison, "tenth", "n_params", "small").mean()
    assert small == pytest.approx(own, rel=0.3)
    assert np.isnan(values(comparison, "rows", "accuracy", "small")).all()


def test_costs_are_those_of_the_models(X, y, folds):
    knn = KNeighborsClassifier()
    models = {"knn": knn, "fewer": PrunedClassifier(knn, keep=0.25)}
    comparison = compare_pruning(models, X, y, cv=folds)
    summary = comparison.summary()
    assert summary.loc["knn", "n_params"] == 120 * 7
    assert summary.loc["fewer", "n_params"] == 30 * 7
    assert (summary["n_samples"] == 120).all()
    split = comparison._plan.splits[2]
    model = seeded(models["fewer"], split.seed).fit(X[split.train], y[split.train])
    assert values(comparison, "fewer", "nbytes")[2] == stored_bytes(model.compact_)
    plain = len(pickle.dumps(clone(knn).fit(X[split.train], y[split.train]), protocol=5))
    assert values(comparison, "knn", "nbytes")[2] == pytest.approx(plain, abs=8)
    for cost in ("fit_time", "predict_latency", "predict_latency_1000"):
        assert (summary[cost] > 0).all()
    few = compare_pruning(models, X, y, cv=folds, costs=("nbytes",))
    assert set(few.frame()["measure"]) == {"score", "nbytes", "churn", "log_loss"}
    with pytest.raises(ValueError, match="cost must be one that was measured"):
        few.smallest_not_worse("n_params")


def test_the_smallest_is_the_cheapest_that_passed(comparison):
    verdicts, summary = comparison.verdicts(), comparison.summary()
    passed = ["forest", *verdicts.index[verdicts["verdict"] == "not worse"]]
    for cost in ("nbytes", "n_params", "n_samples"):
        assert comparison.smallest_not_worse(cost) in passed
        best = summary.loc[comparison.smallest_not_worse(cost), cost]
        assert best == summary.loc[passed, cost].min()


def test_with_several_scores_all_of_them_have_to_be_no_worse(classes):
    models = {"linear": LogisticRegression(), "labels only": DummyClassifier()}
    comparison = compare_pruning(
        models,
        *classes,
        baseline="linear",
        scoring=["roc_auc", "accuracy", "neg_log_loss"],
        margin={"neg_log_loss": 0.01, "accuracy": 0.9},
    )
    assert comparison.scorers == ("roc_auc", "accuracy", "neg_log_loss")
    assert comparison.margins == {"roc_auc": 0.01, "accuracy": 0.9, "neg_log_loss": 0.01}
    assert comparison.verdict("labels only", "accuracy") == "not worse"
    assert comparison.verdict("labels only", "roc_auc") == "worse"
    assert comparison.smallest_not_worse("n_params", scorer="accuracy") in models
    assert comparison.smallest_not_worse("n_params") == "linear"


def test_a_margin_may_be_a_share_of_the_baseline():
    X, y = load_diabetes(return_X_y=True)
    models = {"ridge": Ridge(), "half": SampleSubsetRegressor(Ridge(), keep=0.5)}
    scoring = "neg_mean_absolute_error"
    with pytest.raises(ValueError, match="margin=None is 0.01, for scorers that are bound"):
        compare_pruning(models, X, y, scoring=scoring)
    found = compare_pruning(models, X, y, scoring=scoring, margin="5%", cv=3)
    mean = abs(found.summary().loc["ridge", scoring])
    assert found.margins[scoring] == pytest.approx(0.05 * mean)
    assert compare_pruning(models, X, y, cv=3).margins == {"r2": 0.01}


def test_a_failing_variant_stops_no_other(classes):
    nearest, linear = Nearest(), LogisticRegression()
    models = {
        "nearest": nearest,
        "linear": linear,
        "fails once": Nearest(fail_on=4),
        "fails in predict": PrunedClassifier(LinearSVC(random_state=0), unit="tree"),
    }
    comparison = compare_pruning(models, *classes, baseline="nearest", cv=KFold(3))
    assert set(comparison.failures) == {"fails once", "fails in predict"}
    assert comparison.failures["fails once"] == "fold 1: ValueError: told to fail."
    assert comparison.verdict("fails once") == "failed"
    without = compare_pruning(
        {name: models[name] for name in ("nearest", "linear")},
        *classes,
        baseline="nearest",
        cv=KFold(3),
    )
    for name in ("nearest", "linear"):
        assert np.array_equal(
            values(comparison, name, "accuracy"), values(without, name, "accuracy")
        )
    assert np.isnan(comparison.verdicts().loc["fails once", "difference"])
    assert "told to fail" in repr(comparison)


def test_a_failing_baseline_says_so_at_once(classes):
    models = {"fails": Nearest(fail_on=1), "linear": LogisticRegression()}
    with pytest.raises(RuntimeError, match="the baseline 'fails' must .* told to fail"):
        compare_pruning(models, *classes, baseline="fails", cv=3)
    assert len(Nearest.fits) == 1


LINEAR = LogisticRegression()
HALF = SampleSubsetClassifier(LINEAR)
PAIR = {"linear": LINEAR, "half": HALF}


@pytest.mark.parametrize(
    ("estimators", "options", "error", "message"),
    [
        ({"a": LINEAR, "b": LINEAR}, {}, ValueError, "Got 2 of them: 'a', 'b' prune noth"),
        ({"a": HALF, "b": HALF}, {}, ValueError, "Got 0 of them: each prunes"),
        ({"a": LINEAR}, {}, ValueError, "at least two names"),
        ([LINEAR, HALF], {}, TypeError, "must map at least two names"),
        ({1: LINEAR, "b": HALF}, {}, TypeError, "names of estimators must be strings"),
        ({"a": LINEAR, "b": Ridge()}, {}, ValueError, "all classifiers or all regress"),
        ({"a": LINEAR, "b": HALF.fit}, {}, TypeError, "must have fit, predict and get_p"),
        ({"a": LINEAR, "b": LogisticRegression}, {}, TypeError, "must have fit, predict"),
        (
            {"a": LINEAR, "b": LinearSVC()},
            {"baseline": "a", "scoring": "neg_log_loss", "margin": 0.1},
            ValueError,
            "scoring='neg_log_loss' needs predict_proba of every estimator. Got 'b'",
        ),
        (
            {"a": LINEAR, "b": SampleSubsetClassifier(KNeighborsClassifier()), "c": HALF},
            {"params": {"sample_weight": np.ones(160)}, "baseline": "a"},
            ValueError,
            "sample_weight",
        ),
    ],
)
def test_wrong_input_is_one_clear_line(classes, estimators, options, error, message):
    if options.get("params") and "b" in estimators and len(estimators) == 3:
        estimators = {**estimators, "b": KNeighborsClassifier()}
    with pytest.raises(error, match=message) as caught:
        compare_pruning(estimators, *classes, **options)
    assert "\n" not in str(caught.value)


ROWS = np.arange(160)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"baseline": "c"}, "among the estimators"),
        ({"margin": 0}, "margin must be a number > "),
        ({"margin": -0.1}, "margin must be a number"),
        ({"margin": "x%"}, "margin must be a number"),
        ({"margin": {"f2": 0.1}}, "must name scorers"),
        ({"alpha": 0.6}, "alpha must be a number bet"),
        ({"cv": 1}, "at least two splits. Got 1"),
        ({"cv": ShuffleSplit(1)}, "at least two splits. Got 1"),
        ({"controls": "rand"}, "controls must be amo"),
        ({"costs": ("bytes",)}, "costs must be among"),
        ({"scoring": 3}, "scoring must be None"),
        ({"chains": {"c": ["z"]}}, "names of estima"),
        (
            {"chains": {"c": ["b"], "d": ["b"]}},
            "can be in one chain. Got 'b' in 'c' and 'd'",
        ),
        ({"groups": np.zeros(3)}, "groups must hold one group"),
        ({"params": {"sample_weight": -np.ones(160)}}, "sample_weight must hold"),
        ({"store": 5}, "store must be a folder.* Got 5"),
        ({"store": True}, "store must be a folder.* Got True"),
        ({"store": b"abc"}, "store must be a folder.* Got b'abc'"),
        ({"store": "a\0b"}, "store must be a folder"),
        ({"store": ""}, "store must be a folder.* Got ''"),
        ({"costs": 5}, "costs must be among .*Got 5"),
        ({"controls": 5}, "controls must be among .*Got 5"),
        ({"n_jobs": "a"}, "n_jobs must be .*Got 'a'"),
        ({"n_jobs": 0}, "n_jobs must be .*Got 0"),
        ({"n_jobs": 1.5}, r"n_jobs must be .*Got 1\.5"),
        ({"cv": [(ROWS, [160])] * 2}, "cv must give pairs .*index 160 is out of bounds"),
        ({"cv": [([-161], ROWS)] * 2}, "cv must give pairs .*index -161 is out"),
        ({"cv": [(ROWS[:99], ["a"])] * 2}, "cv must give pairs .*integer"),
        ({"cv": [(ROWS[:99], [0.5])] * 2}, "cv must give pairs .*integer"),
        ({"cv": [(ROWS[:99], [True])] * 2}, "cv must give pairs .*boolean"),
        ({"cv": [(ROWS[:99], 120)] * 2}, "cv must give pairs .*no len"),
        ({"cv": [(ROWS[:99], [[120]])] * 2}, r"cv must give pairs .*\(99,\) and \(1, 1\)"),
        ({"cv": [(ROWS, [])] * 2}, "cv must hold out rows .* and 0 to test on"),
    ],
)
def test_wrong_arguments_are_named(classes, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message) as caught:
        compare_pruning({"a": LINEAR, "b": HALF}, *classes, **options)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_missing_targets(classes):
    with pytest.raises(ValueError, match="y must hold the targets"):
        compare_pruning({"a": LINEAR, "b": HALF}, classes[0], None)
    with pytest.raises(ValueError, match="NaN"):
        compare_pruning({"a": LINEAR, "b": HALF}, classes[0], np.full(160, np.nan))


def on_backend(backend):
    """Context in which joblib runs two jobs on it."""
    if backend != "dask":
        return parallel_config(backend)
    distributed = import_module("distributed")
    stack = ExitStack()
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    )
    for context in (cluster, distributed.Client(cluster), parallel_config("dask")):
        stack.enter_context(context)
    return stack


def test_no_backend_changes_a_result(classes, variants):
    del variants["forest, keep=0.2"]
    variants["net"] = MLPClassifier((5,), max_iter=8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {"baseline": "forest", "cv": StratifiedKFold(2, shuffle=True)}
        one = compare_pruning(variants, *classes, **options)
        for backend in ("loky", "threading", *["dask"] * has("distributed")):
            with on_backend(backend):
                two = compare_pruning(variants, *classes, n_jobs=2, **options)
            assert canonical_json(one.manifest) == canonical_json(two.manifest), backend


def test_two_runs_and_another_seed(comparison, classes, variants, folds, tmp_path):
    again = compare_pruning(variants, *classes, baseline="forest", cv=folds)
    assert canonical_json(again.manifest) == canonical_json(comparison.manifest)
    one = comparison.save_manifest(tmp_path / "one.json")
    two = again.save_manifest(tmp_path / "two.json")
    assert one.read_bytes() == two.read_bytes()
    assert b"fit_time" not in one.read_bytes()
    few = {name: variants[name] for name in ("forest", "forest, keep=0.5", "rows 0.5")}
    options = {"baseline": "forest", "cv": folds}
    one, other = (
        compare_pruning(few, *classes, random_state=seed, **options) for seed in (0, 1)
    )
    assert one.manifest["sha256"] != other.manifest["sha256"]
    drawn = compare_pruning(few, *classes, random_state=None, **options)
    assert drawn.verify(*classes)


def test_verify_names_what_differs(comparison, X, y, variants, monkeypatch):
    assert comparison.verify(np.asfortranarray(X), y)
    changed = X.copy()
    changed[42, 3] += 1e-9
    found = comparison.verify(changed, y)
    assert not found
    assert "X: rows" in found.difference
    found = comparison.verify(X, y[::-1])
    assert "y" in str(found)
    variants["rows 0.2"] = clone(variants["rows 0.2"]).set_params(keep=0.3)
    found = comparison.verify(X, y, estimators=variants)
    assert "keep" in str(found)
    assert "0.2" in str(found)
    import sklearn

    monkeypatch.setattr(sklearn, "__version__", "9.9")
    assert "9.9" in str(comparison.verify(X, y))


def test_verify_runs_everything_again(classes, folds):
    models = {"nearest": Nearest(), "half": SampleSubsetClassifier(Nearest(), keep=0.5)}
    comparison = compare_pruning(models, *classes, cv=folds)
    predict = Nearest.predict

    def shifted(self, X):
        return np.roll(predict(self, X), 1)

    shifted.__name__ = "predict"
    try:
        Nearest.predict = shifted
        found = comparison.verify(*classes)
    finally:
        Nearest.predict = predict
    assert "fold 0: predictions changed" in str(found)
    assert comparison.verify(*classes)


def test_groups_reach_the_splitter_and_the_selectors(X, y):
    groups = np.arange(160) // 8
    models = {
        "linear": LogisticRegression(),
        "half": SampleSubsetClassifier(LogisticRegression(), keep=0.5, by_group=True),
    }
    comparison = compare_pruning(models, X, y, groups=groups)
    assert comparison.n_splits == 5
    assert comparison._plan.test_share == pytest.approx(0.2)
    uneven = np.minimum(np.arange(160) // 4, 10)
    found = compare_pruning(models, X, y, groups=uneven, cv=GroupKFold(2))
    sizes = [
        (len(set(uneven[split.train])), len(set(uneven[split.test])))
        for split in found._plan.splits
    ]
    n_train, n_test = np.sum(sizes, axis=0)
    assert found._plan.test_share == pytest.approx(n_test / (n_train + n_test))
    split = compare_pruning(models, X, y, groups=groups, cv=KFold(4, shuffle=True))
    assert split._plan.test_share == 0.25
    assert any("Groups are on both sides" in warning for warning in split.warnings)
    assert not any("Groups" in warning for warning in comparison.warnings)
    for fit in comparison._fits["half"]:
        kept = fit.kept[0].ids
        for group in set(groups[kept]):
            assert set(np.flatnonzero(groups == group)) <= set(kept)


def test_weights_are_routed(X, y, request, folds):
    weights = np.random.default_rng(0).random(160)
    cv = clone_of(folds, random_state=0)
    models = {"tree": DecisionTreeClassifier(random_state=0)}
    models["pipeline"] = make_pipeline(StandardScaler(), models["tree"])
    models["half"] = SampleSubsetClassifier(models["tree"], keep=0.5)
    options = {"baseline": "tree", "cv": cv, "params": {"sample_weight": weights}}
    off = compare_pruning(models, X, y, **options)
    plain = cross_validate(models["tree"], X, y, cv=cv, params={"sample_weight": weights})
    assert np.array_equal(values(off, "tree", "accuracy"), plain["test_score"])
    assert np.array_equal(values(off, "pipeline", "accuracy"), plain["test_score"])
    request.getfixturevalue("routing")
    models["tree"] = models["tree"].set_fit_request(sample_weight=True)
    del models["pipeline"], models["half"]
    models["unweighted"] = DecisionTreeClassifier(random_state=0).set_fit_request(
        sample_weight=False
    )
    scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
    on = compare_pruning(models, X, y, scoring={"accuracy": scorer}, **options)
    plain = cross_validate(
        models["tree"],
        X,
        y,
        cv=cv,
        scoring={"accuracy": scorer},
        params={"sample_weight": weights},
    )
    assert np.array_equal(values(on, "tree", "accuracy"), plain["test_accuracy"])
    assert not np.array_equal(
        values(on, "unweighted", "accuracy"), values(on, "tree", "accuracy")
    )


def clipped_log_loss(model, X, y, weights=None):
    proba = np.clip(model.predict_proba(X), 1e-3, 1)
    proba /= proba.sum(axis=1, keepdims=True)
    return log_loss(y, proba, sample_weight=weights, labels=model.classes_)


FIXED = RandomForestClassifier(5, max_depth=4, random_state=0)
LABELS = {
    "floats": np.array([0.0, 7.0, 20.0]),
    "texts": np.array(["b", "c", "a"], dtype=object),
    "bools": np.array([False, True, True]),
}


@pytest.mark.parametrize("labels", LABELS)
def test_log_loss_and_churn_are_those_of_the_test_rows(labels):
    X, codes = load_iris(return_X_y=True)
    X, y = X + np.random.default_rng(0).normal(size=X.shape), LABELS[labels][codes]
    rows = SampleSubsetClassifier(FIXED, keep=0.6, random_state=0)
    models = {
        "forest": FIXED,
        "mix": PrunedClassifier(rows, unit="tree", keep=0.4, random_state=0),
        "search": GridSearchCV(rows, {"keep": [0.4]}, cv=2),
        "margins": LinearSVC(random_state=0),
    }
    cv = RepeatedStratifiedKFold(n_splits=2, n_repeats=2, random_state=0)
    options = {"baseline": "forest", "cv": cv, "controls": (), "costs": ()}
    with parallel_config("threading"):
        found = compare_pruning(models, X, y, n_jobs=2, **options)
    losses, changed = ({name: [] for name in models} for _ in range(2))
    for train, test in cv.split(X, y):
        fitted = {
            name: clone(model).fit(X[train], y[train]) for name, model in models.items()
        }
        for name, model in fitted.items():
            other = model.predict(X[test]) != fitted["forest"].predict(X[test])
            changed[name].append(np.mean(other))
            if name != "margins":
                losses[name].append(clipped_log_loss(model, X[test], y[test]))
    losses["margins"] = [np.nan] * 4
    summary, text = found.summary(), repr(found)
    for name in models:
        assert values(found, name, "log_loss") == pytest.approx(losses[name], nan_ok=True)
        assert values(found, name, "churn") == pytest.approx(changed[name])
        expected = [np.mean(losses[name]), np.mean(changed[name])]
        own = summary.loc[name, ["log_loss", "churn"]].tolist()
        assert own == pytest.approx(expected, nan_ok=True)
        if name != "forest":
            line = next(line for line in text.splitlines() if line.startswith(f"{name} "))
            shown = "-" if name == "margins" else f"{expected[0]:.4f}"
            assert line.split()[-3:] == [shown, f"{100 * expected[1]:.1f}", "%"]
            assert name == "margins" or f"<td>{shown}</td>" in found._repr_html_()
    assert losses["mix"] != losses["forest"]
    assert any(changed["mix"])


def test_log_loss_is_weighted_as_the_score_and_knows_a_class_of_test_rows(X, y, request):
    request.getfixturevalue("routing")
    weights = np.random.default_rng(0).random(160)
    model = LogisticRegression().set_fit_request(sample_weight=True)
    models = {"linear": model, "again": clone(model)}
    y = np.where(np.arange(160) < 20, 2, y)  # no such row to train on
    test = np.r_[:20, 120:160]
    cv = [(np.arange(20, 120), test), (np.arange(30, 160), np.arange(30))]
    scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
    for given in (None, {"sample_weight": weights}):
        options = {"baseline": "linear", "params": given, "scoring": {"accuracy": scorer}}
        found = compare_pruning(models, X, y, cv=cv, **options)
        own = weights if given else np.ones(160)
        fitted = LogisticRegression().fit(X[20:120], y[20:120], own[20:120])
        proba = np.clip(fitted.predict_proba(X[test]), 1e-3, 1)
        proba /= proba.sum(axis=1, keepdims=True)
        right = np.where(y[test] == 2, 1e-3, proba[np.arange(60), np.minimum(y[test], 1)])
        expected = np.average(-np.log(right), weights=own[test])
        assert values(found, "linear", "log_loss")[0] == pytest.approx(expected)


class Asked(LogisticRegression):
    """A linear model that counts how often it is asked for probabilities."""

    asked = 0

    def predict_proba(self, X):
        Asked.asked += 1
        return super().predict_proba(X)


def test_probabilities_are_asked_for_once_and_a_score_may_be_named_log_loss(monkeypatch):
    X, y = load_iris(return_X_y=True)
    models = {"a": Asked(max_iter=500), "b": Asked(C=0.01, max_iter=500)}
    options = {"baseline": "a", "cv": KFold(3, shuffle=True), "costs": (), "margin": 0.1}
    monkeypatch.setattr(Asked, "asked", 0)
    found = compare_pruning(models, X, y, scoring={"log_loss": "neg_log_loss"}, **options)
    assert Asked.asked == 6
    assert (found.frame().query("measure == 'log_loss'")["value"] < 0).all()
    assert found.summary().loc["a", "log_loss"] < 0
    assert "changed labels" in found._repr_html_()
    assert "Log loss is of" not in found._repr_html_()
    plain = compare_pruning(models, X, y, **options)
    assert Asked.asked == 12
    own = [fit.log_loss for fit in found._fits["b"]]
    assert values(plain, "b", "log_loss").tolist() == own
    assert -np.array(own) == pytest.approx(values(found, "b", "log_loss"), abs=1e-2)


def test_log_loss_and_churn_of_other_targets(X, y):
    tree = DecisionTreeClassifier(random_state=0)
    models = {"tree": tree, "stump": DecisionTreeClassifier(max_depth=1, random_state=0)}
    both = np.c_[y, np.arange(160) % 2]
    options = {"baseline": "tree", "cv": KFold(2), "costs": ()}
    found = compare_pruning(models, X, both, **options)
    train, test = next(KFold(2).split(X))
    first, second = (
        clone(model).fit(X[train], both[train]).predict(X[test])
        for model in models.values()
    )
    changed = (first != second).any(axis=1).mean()
    assert values(found, "stump", "churn")[0] == pytest.approx(changed)
    assert not len(values(found, "stump", "log_loss"))
    assert "log loss" not in repr(found)
    assert "churn" in repr(found)
    assert "changed labels" in found._repr_html_()
    numbers = {"ridge": Ridge(), "strong": Ridge(alpha=99.0)}
    found = compare_pruning(numbers, X, X[:, 0] ** 2, **options | {"baseline": "ridge"})
    assert "log_loss" not in found.summary()
    assert "churn" not in repr(found)
    assert "changed labels" not in found._repr_html_()


def test_time_series_give_differences_only(classes):
    comparison = compare_pruning(PAIR, *classes, cv=TimeSeriesSplit(4))
    row = comparison.verdicts().loc["half"]
    assert np.isfinite(row["difference"])
    assert np.isnan(row["p_value"])
    assert row["verdict"] == "undecided"
    assert any("later rows" in warning for warning in comparison.warnings)


def test_repetitions_are_found_in_the_splits(classes):
    comparison = compare_pruning(PAIR, *classes)
    frame = comparison.frame()
    assert (
        frame.groupby("split")["repeat"].first().tolist() == np.repeat(range(4), 5).tolist()
    )
    assert frame.groupby("split")["fold"].first().tolist() == list(range(5)) * 4
    assert frame["seed"].nunique() == 20
    assert not any("repetition" in warning for warning in comparison.warnings)


@pytest.mark.parametrize("kind", ["frame", "csr", "text", "list"])
def test_containers(X, y, kind, folds):
    linear = LogisticRegression()
    models = {"linear": linear, "half": SampleSubsetClassifier(linear, keep=0.5)}
    if kind == "frame":
        pandas = pytest.importorskip("pandas")
        X = pandas.DataFrame(X, columns=list("abcdef"))
        y = pandas.Series(np.where(y, "yes", "no"))
        models["columns"] = PrunedClassifier(linear, unit="feature", keep=0.5)
    elif kind == "csr":
        X = csr_array(np.where(X > 0, X, 0))
    elif kind == "text":
        X = [" ".join(f"word{j}" for j in np.flatnonzero(row > 0)) or "none" for row in X]
        models = {
            name: make_pipeline(TfidfVectorizer(), model) for name, model in models.items()
        }
    else:
        X, y = X.tolist(), y.tolist()
    comparison = compare_pruning(models, X, y, cv=folds)
    assert 0.5 < comparison.summary().loc["linear", "accuracy"] <= 1
    assert comparison.verify(X, y)
    if kind == "frame":
        kept = comparison.kept("columns")
        assert set(kept["name"]) <= set("abcdef")
        assert kept["frequency"].sum() == pytest.approx(3)
        assert comparison.kept_by_class("half")["class"].tolist() == ["no", "yes"]
        stability = comparison.stability().loc[("columns", "feature"), "stability"]
        assert -1 <= stability <= 1


def test_what_was_kept_is_counted_on_the_rows_that_were_there(comparison):
    kept = comparison.kept("rows 0.5")
    assert (kept["unit"] == "row").all()
    assert len(kept) == 160
    seen = np.full(160, 3)  # of four folds
    assert (kept["frequency"] * seen).sum() == pytest.approx(4 * 60)
    by_class = comparison.kept_by_class("rows 0.5")
    assert by_class["seen"].sum() == 120
    assert by_class["kept"].sum() == 60
    assert comparison.kept("linear").empty
    stability = comparison.stability()["stability"]
    assert stability.loc[("rows 0.5", "row")] > 0.2
    assert np.isnan(stability.loc[("forest, keep=0.5", "node")])


def test_regressors_and_several_outputs():
    X, y = load_diabetes(return_X_y=True)
    ridge = Ridge()
    models = {
        "ridge": ridge,
        "rows": SampleSubsetRegressor(ridge, keep=0.3),
        "features": PrunedRegressor(ridge, unit="feature", keep=0.5),
    }
    comparison = compare_pruning(models, X, y, cv=KFold(3, shuffle=True))
    assert comparison.task == "regression"
    assert (values(comparison, "rows", "churn") > 0).all()
    assert comparison.scorers == ("r2",)
    both = np.c_[y, -y]
    found = compare_pruning(models, X, both, cv=KFold(3, shuffle=True))
    assert found.summary().loc["ridge", "r2"] == pytest.approx(
        comparison.summary().loc["ridge", "r2"], abs=0.05
    )
    scorer = make_scorer(mean_squared_error, greater_is_better=False)
    with pytest.raises(ValueError, match="Got the scorer 'score'"):
        compare_pruning(models, X, y, scoring=scorer)


def test_a_frozen_model_is_warned_of(classes, folds):
    fitted = LogisticRegression().fit(*classes)
    models = {"new": LogisticRegression(), "old": FrozenEstimator(fitted)}
    comparison = compare_pruning(models, *classes, baseline="new", cv=folds)
    assert any("'old' holds a frozen model" in warning for warning in comparison.warnings)


def test_the_checklist(classes):
    forest = RandomForestClassifier(5, random_state=0)
    models = {"forest": forest, "half": PrunedClassifier(forest, keep=0.5, random_state=0)}
    comparison = compare_pruning(models, *classes, cv=3, controls=())
    starts = {warning.partition(":")[0] for warning in comparison.warnings}
    assert starts == {
        "No random control",
        "One seed",
        "One repetition",
        "One value of keep",
    }
    balanced = SampleSubsetClassifier(forest, keep=0.2, stratify="balanced")
    models = {"forest": forest, "half": balanced}
    comparison = compare_pruning(models, *classes, cv=2, controls=())
    assert any("half' is fitted on balanced" in one for one in comparison.warnings)
    tree = DecisionTreeClassifier(max_depth=3)
    models = {"tree": tree} | {
        str(keep): PrunedClassifier(tree, keep=keep) for keep in (0.5, 0.2)
    }
    folds = RepeatedStratifiedKFold(n_splits=2, n_repeats=2)
    assert compare_pruning(models, *classes, cv=folds).warnings == ()


def test_nothing_outside_is_changed(X, y, variants, folds):
    before = np.random.get_state()[1].copy(), X.copy(), y.copy()
    threads = [pool["num_threads"] for pool in threadpool_info()]
    filters = list(warnings.filters)
    params = {name: str(model.get_params()) for name, model in variants.items()}
    compare_pruning(variants, X, y, baseline="forest", cv=folds)
    assert np.array_equal(np.random.get_state()[1], before[0])
    assert np.array_equal(X, before[1])
    assert np.array_equal(y, before[2])
    assert [pool["num_threads"] for pool in threadpool_info()] == threads
    assert list(warnings.filters) == filters
    for name, model in variants.items():
        assert str(model.get_params()) == params[name]
        assert not [attribute for attribute in vars(model) if attribute.endswith("_")]


class Recorder:
    """A callback that counts tasks."""

    def __init__(self):
        self.begun, self.ended, self.torn_down = [], 0, 0

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.begun.append((type(estimator).__name__, context.task_name))

    def on_fit_task_end(self, estimator, context):
        self.ended += 1

    def teardown(self, estimator, context):
        self.torn_down += 1


def test_callbacks_follow_every_fit(classes, folds):
    recorder = Recorder()
    compare_pruning(PAIR, *classes, cv=folds, callbacks=recorder)
    names = [name for _, name in recorder.begun if name is not None]
    assert names.count("compare") == 1
    for fold in range(4):
        assert f"linear, fold {fold}" in names
        assert f"half, fold {fold}" in names
    assert recorder.ended == len(recorder.begun)
    assert recorder.torn_down == 1


def test_the_progress_bar_works_across_processes(classes, folds):
    pytest.importorskip("rich")
    from sklearn.callback import ProgressBar

    one = compare_pruning(PAIR, *classes, cv=folds)
    two = compare_pruning(PAIR, *classes, cv=folds, n_jobs=2, callbacks=ProgressBar())
    assert one.manifest == two.manifest


def test_nets_do_not_depend_on_the_number_of_jobs(classes):
    torch = pytest.importorskip("torch")
    skorch = pytest.importorskip("skorch")
    X, y = classes[0].astype(np.float32), classes[1].astype(np.int64)
    net = skorch.NeuralNetClassifier(
        torch.nn.Sequential(
            torch.nn.Linear(6, 30), torch.nn.ReLU(), torch.nn.Linear(30, 2)
        ),
        criterion=torch.nn.CrossEntropyLoss,
        train_split=None,
        max_epochs=2,
        verbose=0,
    )
    models = {"net": net, "half": PrunedClassifier(net, keep=0.5)}
    state = torch.random.get_rng_state().clone()
    folds = {"cv": StratifiedKFold(2, shuffle=True), "costs": ("n_params",)}
    one = compare_pruning(models, X, y, **folds)
    two = compare_pruning(models, X, y, n_jobs=2, **folds)
    assert first_difference(one.manifest, two.manifest) is None
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_result_reads_well_and_can_be_pickled(comparison):
    text = repr(comparison)
    assert "not worse" in text
    assert "forest, keep=0.2" in text
    assert "corrected resampled t" in text
    copy = pickle.loads(pickle.dumps(comparison))
    assert copy.verdicts().equals(comparison.verdicts())
    assert copy.manifest == comparison.manifest
    assert repr(copy) == text


def test_iris_with_a_group_of_everything():
    X, y = load_iris(return_X_y=True)
    knn = KNeighborsClassifier()
    models = {"knn": knn} | {
        f"keep {keep}": PrunedClassifier(knn, keep=keep) for keep in (0.5, 0.2, "auto", 40)
    }
    with pytest.raises(ValueError, match=r"all keep a fraction or all keep a number"):
        compare_pruning(models, X, y, cv=StratifiedKFold(3))
    del models["keep 40"]
    comparison = compare_pruning(models, X, y, cv=StratifiedKFold(3, shuffle=True))
    assert sorted(map(len, comparison.chains.values())) == [1, 2]
    assert comparison.keeps["keep auto"] == "auto"
