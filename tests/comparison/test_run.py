import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from sklearn_prune import (
    PrunedClassifier,
    SampleSubsetClassifier,
    SampleSubsetSampler,
    SampleSubsetTransformer,
    compare_pruning,
)
from sklearn_prune.sample_selection import L2PenaltySelector, LossSelector, RandomSelector

LINEAR = LogisticRegression()
HALF = SampleSubsetClassifier(LINEAR, LossSelector(), keep=0.5)


def fits_of(model, classes, name="model", **options):
    """The fits of a model beside a linear baseline, and the comparison."""
    models = {"linear": LINEAR, name: model}
    options = {"cv": KFold(3, shuffle=True), **options}
    comparison = compare_pruning(models, *classes, baseline="linear", **options)
    return comparison._fits[name], comparison


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(6),
        DecisionTreeClassifier(),
        CalibratedClassifierCV(RandomForestClassifier(3), cv=2),
    ],
    ids=["forest", "tree", "calibrated"],
)
@pytest.mark.parametrize("keep", [0.3, "auto"])
def test_mixes_of_units_have_controls_of_their_size(model, keep, classes):
    pruned = PrunedClassifier(model, keep=keep, cv=3)
    fits, _ = fits_of(pruned, classes, cv=KFold(2, shuffle=True), costs=("n_params",))
    for fit in fits:
        own, control = (one.costs["n_params"] for one in (fit, fit.controls["random"]))
        assert control == pytest.approx(own, rel=0.15, abs=2)


def test_the_control_of_a_search_has_the_size_that_it_chose(classes):
    subset = SampleSubsetClassifier(GaussianNB(), LossSelector())
    search = GridSearchCV(subset, {"keep": [0.2, 0.8]}, cv=3)
    for model in (search, make_pipeline(Nystroem(n_components=5), search)):
        fits, comparison = fits_of(model, classes, cv=4)
        for fit in fits:
            assert fit.costs["n_samples"] == fit.controls["random"].costs["n_samples"]
        assert comparison.keeps["model"] is None
        assert comparison.chains == {"model": ("model",)}


def test_rows_are_followed_through_samplers(X, y, classes):
    imblearn = pytest.importorskip("imblearn")
    from imblearn.over_sampling import SMOTE
    from imblearn.under_sampling import RandomUnderSampler

    under = RandomUnderSampler(random_state=0)
    pipeline = imblearn.pipeline.Pipeline([("under", under), ("half", HALF)])
    fits, comparison = fits_of(pipeline, classes)
    for fit, split in zip(fits, comparison._plan.splits, strict=True):
        under.fit_resample(X[split.train], y[split.train])
        n_under = len(under.sample_indices_)
        assert fit.costs["n_samples"] == len(fit.kept[0].ids) == round(n_under / 2 + 1e-9)
        assert set(fit.kept[0].ids) <= set(split.train[under.sample_indices_])
        assert fit.by_class[1].sum() == len(fit.kept[0].ids)
    steps = [("half", SampleSubsetSampler(LossSelector(), keep=0.4)), ("linear", LINEAR)]
    fits, _ = fits_of(imblearn.pipeline.Pipeline(steps), classes)
    for fit in fits:
        assert len(fit.kept[0].ids) == fit.costs["n_samples"]
        assert fit.costs["n_params"] == 7
        assert fit.costs["n_samples"] in (42, 43)
        assert fit.controls["random"].costs["n_samples"] == fit.costs["n_samples"]
    steps = [("more", SMOTE(random_state=0)), ("half", HALF)]
    fits, comparison = fits_of(imblearn.pipeline.Pipeline(steps), classes)
    assert all(np.isnan(fit.costs["n_samples"]) and not fit.kept for fit in fits)
    assert comparison.kept("model").empty


def test_rows_of_a_transformer_are_what_it_kept(classes):
    nystroem = SampleSubsetTransformer(Nystroem(n_components=5), LossSelector(), keep=0.25)
    fits, _ = fits_of(make_pipeline(nystroem, LINEAR), classes)
    for fit in fits:
        assert len(fit.kept[0].ids) == 27
        assert fit.costs["n_samples"] in (106, 107)
        assert len(fit.controls["random"].kept[0].ids) == 27


def test_rows_of_members_are_not_known(classes):
    fits, _ = fits_of(BaggingClassifier(HALF, 2), classes)
    assert all(np.isnan(fit.costs["n_samples"]) for fit in fits)


@pytest.mark.parametrize("keep", [0.5, "auto"])
def test_rows_inside_of_pruned_models_are_known(keep, X, y, classes):
    inner = SampleSubsetClassifier(LINEAR, L2PenaltySelector(), keep=keep)
    fits, comparison = fits_of(PrunedClassifier(inner, unit="feature", keep=0.5), classes)
    for fit, split in zip(fits, comparison._plan.splits, strict=True):
        kept = clone(inner).fit(X[split.train], y[split.train]).sample_indices_
        assert np.array_equal(fit.kept[0].ids, np.sort(split.train[kept]))
        assert fit.costs["n_samples"] == len(kept)
        control = fit.controls["random"]
        assert control.costs["n_samples"] == len(kept)
        assert len(control.kept[1].ids) == len(fit.kept[1].ids) == 3
        assert not np.array_equal(control.kept[0].ids, fit.kept[0].ids)
    assert comparison.stability()["stability"].notna().all()
    assert set(comparison.kept("model")["unit"]) == {"row", "feature"}


class Odd(ClassifierMixin, BaseEstimator):
    """A model that misbehaves in the way that it is told."""

    def __init__(self, how=None):
        self.how = how

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.n_fits_ = 1
        return self

    def predict(self, X):
        if self.how == "column":
            return np.zeros((len(X), 1), dtype=int)
        if self.how == "ragged":
            return [[0]] * (len(X) - 1) + [[0, 1]]
        if self.how == "one row" and len(X) == 1:
            raise ValueError("more rows, please")
        if self.how == "predict":
            raise ValueError("no predictions")
        return np.zeros(len(X), dtype=int)

    def predict_proba(self, X):
        return np.full((len(X), 2), 0.5)

    def score(self, X, y):
        return 0.5


@pytest.mark.parametrize("how", ["column", "ragged", "one row", "predict"])
@pytest.mark.parametrize("scoring", [None, "roc_auc"])
def test_odd_models_stop_nothing(how, scoring, classes):
    fits, comparison = fits_of(Odd(how), classes, scoring=scoring, margin=0.01)
    failed = how in ("ragged", "predict")
    assert ("model" in comparison.failures) == failed
    if not failed:
        latency = comparison.summary().loc["model", "predict_latency"]
        assert np.isnan(latency) == (how == "one row")
        assert all(0 <= fit.costs["churn"] <= 1 for fit in fits)
    assert np.isfinite(comparison.summary().loc["linear", comparison.scorers[0]])
    comparison._repr_html_()


class Foreign:
    """What is no BaseEstimator but can do what is needed."""

    def __init__(self, C=1.0):
        self.C = C

    def get_params(self, deep=True):
        return {"C": self.C}

    def set_params(self, **params):
        vars(self).update(params)
        return self

    def fit(self, X, y):
        self.model_ = LogisticRegression(C=self.C).fit(X, y)
        return self

    def predict(self, X):
        return self.model_.predict(X)

    def score(self, X, y):
        return self.model_.score(X, y)


def test_foreign_models_are_taken(classes):
    _, comparison = fits_of(Foreign(), classes)
    assert comparison.failures == {}
    assert comparison.verdict("model") == "not worse"
    assert comparison.verdicts().loc["model", "difference"] == 0


class Global(ClassifierMixin, BaseEstimator):
    """A model that draws from numpy's global generator."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.seed_ = np.random.randint(2**31)
        return self

    def predict(self, X):
        return np.random.RandomState(self.seed_).randint(2, size=len(X))


def test_models_that_draw_from_the_global_generator_can_be_repeated(classes):
    np.random.seed(0)
    state = np.random.get_state()[1].copy()
    _, comparison = fits_of(Global(), classes)
    assert comparison.verify(*classes)
    assert np.array_equal(np.random.get_state()[1], state)


def test_a_report_without_costs_or_finite_scores(classes, tmp_path):
    def nowhere(model, X, y):
        return np.nan

    for options in ({"costs": ()}, {"scoring": nowhere, "margin": 0.1}):
        _, comparison = fits_of(HALF, classes, **options)
        assert comparison.to_html(tmp_path / "report.html").stat().st_size > 2000
        assert "folds" in repr(comparison)
    assert any("not finite" in warning for warning in comparison.warnings)


def test_failed_fits_are_tried_again_and_missing_costs_taken(
    classes, tmp_path, monkeypatch
):
    options = {"store": tmp_path, "cv": KFold(3), "costs": ("n_samples",)}
    fit = Odd.fit
    fails = [True]

    def moody(self, X, y):
        if fails[0]:
            raise MemoryError
        return fit(self, X, y)

    moody.__name__ = moody.__qualname__ = "fit"
    monkeypatch.setattr(Odd, "fit", moody)
    _, comparison = fits_of(Odd(), classes, **options)
    assert comparison.failures["model"] == "fold 0: MemoryError."
    fails[0] = False
    _, comparison = fits_of(Odd(), classes, **options)
    assert comparison.failures == {}
    _, comparison = fits_of(Odd(), classes, **options | {"costs": ("n_samples", "nbytes")})
    assert np.isfinite(comparison.summary()["nbytes"]).all()


def test_chains_with_names_in_common(classes):
    models = {
        "full": LINEAR,
        "x 0.5": SampleSubsetClassifier(LINEAR, keep=0.5),
        "x 0.1": SampleSubsetClassifier(LINEAR, keep=0.2),
        "x": SampleSubsetClassifier(DecisionTreeClassifier(), keep=0.5),
    }
    comparison = compare_pruning(models, *classes, cv=3)
    assert comparison.chains == {"x": ("x 0.5", "x 0.1"), "x (2)": ("x",)}
    assert (comparison.verdicts()["alpha"] == 0.025).all()
    chains = {"x": ["x 0.5"], "x (2)": ["x 0.1"]}
    comparison = compare_pruning(models, *classes, cv=3, chains=chains)
    assert comparison.chains == chains_as_tuples(chains) | {"x (3)": ("x",)}


def chains_as_tuples(chains):
    return {name: tuple(members) for name, members in chains.items()}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"margin": {"accuracy": 0.1, "acc": 0.1}}, "margin must name scorers. Got 'acc'"),
        ({"params": [1]}, "params must map names to values"),
        ({"random_state": -1}, "random_state must be an integer"),
        ({"random_state": True}, "random_state must be an integer"),
        ({"params": {"clf__sample_weight": np.ones(160)}}, "has the steps logisticregr"),
    ],
)
def test_late_errors_come_early(options, message, classes):
    models = {"linear": make_pipeline(LINEAR), "half": make_pipeline(HALF)}
    with pytest.raises((ValueError, TypeError), match=message):
        compare_pruning(models, *classes, **options)


def test_groups_may_be_among_the_params(classes):
    groups = np.arange(160) // 4
    models = {"linear": LINEAR, "half": HALF}
    one = compare_pruning(models, *classes, params={"groups": groups})
    assert one.manifest == compare_pruning(models, *classes, groups=groups).manifest


def test_each_fold_trains_from_the_coefficients_that_it_was_given(X, y):
    start = np.full((1, X.shape[1]), 50.0)
    model = SGDClassifier(max_iter=1, tol=None, random_state=0)
    found = compare_pruning(
        {"sgd": model, "all": SampleSubsetClassifier(model, keep=1.0)},
        *(X, y),
        cv=KFold(3),
        baseline="sgd",
        params={"coef_init": start},
        controls=(),
    )
    assert (start == 50).all()
    wanted = [
        clone(model).fit(X[train], y[train], coef_init=start.copy()).score(X[test], y[test])
        for train, test in KFold(3).split(X)
    ]
    scores = found.frame().query("measure == @found.scorers[0]").groupby("variant")["value"]
    for name in ("sgd", "all"):
        assert scores.get_group(name).tolist() == wanted


def test_a_control_of_another_size_is_none(classes):
    net = MLPClassifier((30,), max_iter=30)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fits, _ = fits_of(PrunedClassifier(net, keep=0.2), classes)
    for fit in fits:
        control = fit.controls["random"]
        if control.error is not None:
            assert control.error == "No random mix of units has the size of the variant."
            continue
        ratio = control.costs["n_params"] / fit.costs["n_params"]
        assert 0.75 < ratio < 1.3


def test_margins_of_a_scorer_that_gives_several(classes):
    def several(model, X, y):
        return {"half": model.score(X, y) / 2, "rows": float(len(X))}

    margin = {"half": 0.05, "rows": 1.0}
    _, comparison = fits_of(HALF, classes, scoring=several, margin=margin)
    assert comparison.margins == margin
    with pytest.raises(ValueError, match="margin must name scorers. Got 'acc'"):
        fits_of(HALF, classes, scoring=several, margin={"acc": 0.05})


def differing(model, X, y):
    """A scorer that names its scores after what the model is."""
    whole = model.score(X, y)
    return {"half": whole / 2} if hasattr(model, "sample_mask_") else {"whole": whole}


def test_scores_of_other_names_are_a_failure(classes, tmp_path):
    for n_jobs in (2, 1):  # the second time from the store
        options = {"scoring": differing, "margin": {"whole": 0.1}, "store": tmp_path}
        fits, comparison = fits_of(HALF, classes, n_jobs=n_jobs, **options)
        assert (
            "Got 'half' instead of the baseline's 'whole'" in comparison.failures["model"]
        )
        assert comparison.verdict("model") == "failed"
        assert all(fit.error for fit in fits)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_is_a_failure(classes, tmp_path, broken):
    def once(model, X, y):
        """A scorer that breaks on the pruned model, on one fold of three."""
        first = hasattr(model, "sample_mask_") and X[0, 0] == classes[0][0, 0]
        return broken if first else model.score(X, y)

    for _ in range(2):  # the second time the other folds are in the store
        fits, comparison = fits_of(
            HALF,
            classes,
            cv=KFold(3),
            scoring={"own": once},
            margin=0.1,
            store=tmp_path / "store",
        )
        assert comparison.failures["model"].startswith(
            f"fold 0: ValueError: The score 'own' must be a finite number. Got {broken} "
        )
        assert comparison.verdict("model") == "failed"
        assert [bool(fit.error) for fit in fits] == [True, False, False]


def test_a_control_whose_score_is_not_finite_has_failed(classes):
    def random_only(model, X, y):
        by_chance = isinstance(getattr(model, "selector", None), RandomSelector)
        return np.nan if by_chance else model.score(X, y)

    fits, comparison = fits_of(HALF, classes, scoring=random_only, margin=0.1)
    assert comparison.verdict("model") != "failed"
    for fit in fits:
        assert not fit.error
        assert "must be a finite number" in fit.controls["random"].error


def test_columns_and_targets_of_pandas(X, y):
    pandas = pytest.importorskip("pandas")
    columns = pandas.MultiIndex.from_product([["u", "v"], [1, 2, 3]])
    frame = pandas.DataFrame(X, columns=columns)
    _, comparison = fits_of(HALF, (frame, y))
    assert comparison.failures == {}
    _, comparison = fits_of(HALF, (X, pandas.Categorical(y)))
    assert comparison.failures == {}
