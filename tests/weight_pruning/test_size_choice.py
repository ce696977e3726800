"""The choice of option and size by inner scores, against the rule by hand."""

import json
import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import binom
from sklearn.datasets import load_iris, make_classification

from sklearn_prune import PrunedClassifier, PrunedRegressor
from sklearn_prune.predictors import stored_bytes
from sklearn_prune.weight_pruning._context import PruningContext
from sklearn_prune.weight_pruning._inner_validation import (
    Outputs,
    class_and_sample_weights,
    mean_score,
    quantities,
)
from sklearn_prune.weight_pruning._size_choice import (
    LOG_LIMIT,
    Curve,
    best_at,
    last_before_failure,
    sizes_within,
)
from tests.estimators import sk


def curve_of(seed, n_options=3, n_shares=5, n=60, n_weights=1, n_folds=3):
    """A curve of random scores that fall as models get smaller."""
    rng = np.random.default_rng(seed)
    whole = np.stack([rng.random(n), rng.random(n), -rng.random(n), np.zeros(n)])
    fall = np.linspace(-0.04, 0.02 + 0.02 * seed, n_shares)[:, None, None]
    pruned = whole - fall + 0.05 * rng.normal(size=(n_options, n_shares, 4, n))
    return Curve(
        whole=whole,
        pruned=pruned,
        folds=np.sort(rng.integers(0, n_folds, n)),
        weights=tuple(0.5 + rng.random(n) for _ in range(n_weights)),
        target=rng.integers(0, 2, n),
        scores=None,
        used=np.tile(np.geomspace(0.9, 0.1, n_shares), (n_options, 1)),
        options=np.arange(n_options),
    )


def test_sizes_as_good_as_the_full_model_pass_where_another_one_is_better():
    """A boosting model may be overfitted: a small one is better, but not surely so."""
    rng = np.random.default_rng(0)
    curve = curve_of(0, n_options=1)
    curve.pruned[:] = curve.whole[:, None, None].transpose(1, 2, 0, 3)
    noise = rng.choice([-1.0, 1.0], curve.pruned.shape[-1])
    curve.pruned[0, -1, :3] += 0.02 + 0.5 * noise  # better by less than its error
    best = curve.against_best()
    assert (best.whole[:3].mean(axis=1) > curve.whole[:3].mean(axis=1)).all()
    criteria = best.criteria(0.005)
    for one in criteria:
        assert (one.bounds()[0, :-2] <= one.limit).all()
    alone = best.pruned[:, :3], best.used[:, :3]  # no neighbour of the last size
    small = replace(best, pruned=alone[0], used=alone[1])
    elsewhere = np.zeros((best.folds.max() + 1, 3), dtype=int)
    assert sizes_within(small, small.criteria(0.005), elsewhere).all()


def by_hand(curve, tolerance):
    """The rule of keep="auto" in plain loops: options in each fold, and the size."""
    n_options, n_shares, _, n = curve.pruned.shape
    specs = []  # quantity, weights, limit, with error
    for w in curve.weights:
        w = w / w.mean()
        size = np.mean(-curve.whole[2] * w)
        specs.append((1, w, tolerance, True))
        specs.append((0, w, tolerance, False))
        specs.append((2, w, max(LOG_LIMIT * size, 0.005), True))

    def loss(option, share, spec):
        return (curve.whole[spec[0]] - curve.pruned[option, share, spec[0]]) * spec[1]

    def best_option(share, rows):
        worst = []
        for option in range(n_options):
            ratios = []
            for spec in specs:
                own = loss(option, share, spec)[rows]
                error = own.std(ddof=1) / np.sqrt(len(own)) if spec[3] else 0.0
                ratios.append((own.mean() + error) / spec[2])
            worst.append(max(ratios))
        return int(np.argmin(np.round(worst, 9)))

    elsewhere = [
        [best_option(share, curve.folds != fold) for share in range(n_shares)]
        for fold in range(curve.folds.max() + 1)
    ]
    chosen = None
    for share in range(n_shares):
        kernel = np.exp(-0.5 * (np.arange(n_shares) - share) ** 2.0)
        kernel /= kernel.sum()
        passes = True
        for spec in specs:
            rows = np.zeros(n)
            for other in range(n_shares):
                for row in range(n):
                    option = elsewhere[curve.folds[row]][other]
                    rows[row] += kernel[other] * loss(option, other, spec)[row]
            error = rows.std(ddof=1) / np.sqrt(n) if spec[3] else 0.0
            passes = passes and rows.mean() + error <= spec[2]
        if not passes:
            break
        chosen = share
    return elsewhere, chosen


@pytest.mark.parametrize("n_weights", [1, 2])
def test_auto_walks_to_the_last_size_before_the_first_failure(n_weights):
    found = set()
    for seed in range(6):
        curve = curve_of(seed, n_weights=n_weights)
        tolerance = 0.02 + 0.01 * seed
        criteria = curve.criteria(tolerance)
        _, elsewhere = curve.best_options(criteria)
        expected, chosen = by_hand(curve, tolerance)
        assert elsewhere.tolist() == expected
        passes = sizes_within(curve, criteria, elsewhere)
        assert last_before_failure(passes) == chosen
        found.add(chosen)
    assert len(found) > 1


def test_a_float_keep_takes_a_small_option_only_if_it_is_clearly_better():
    curve = curve_of(0, n_options=2, n_shares=1)
    curve.used[:, 0] = 0.5, 0.2
    for gain, expected in ((0.005, 0), (0.05, 1)):
        noise = 0.02 * np.random.default_rng(1).normal(size=curve.whole.shape)
        curve.pruned[0, 0] = curve.whole
        curve.pruned[1, 0] = curve.whole + gain * (gain > 0.01) + noise - noise.mean()
        assert best_at(curve, curve.criteria(0.01), keep=0.5) == expected
    curve.used[:, 0] = 0.45, 0.42  # both use most of the budget: the better one
    assert best_at(curve, curve.criteria(0.01), keep=0.5) == 1


def test_quantities_of_rows_by_hand():
    rng = np.random.default_rng(0)
    y = np.array(["a", "b", "c", "d"])[rng.integers(0, 4, 40)]  # "d" is not known
    classes, proba = (
        np.array(["a", "b", "c"]),
        softmax(3 * rng.normal(size=(40, 3)), axis=1),
    )
    labels = classes[proba.argmax(axis=1)]
    whole = Outputs(np.roll(labels, 1), classes, proba)
    context = PruningContext(sk.GaussianNB(), np.zeros((40, 1)), y)
    label, soft, log, changed = quantities(Outputs(labels, classes, proba), whole, context)
    for i in range(40):
        p = {name: proba[i, j] for j, name in enumerate(classes)}
        own = p.pop(y[i], 0.0)
        assert label[i] == (labels[i] == y[i])
        assert changed[i] == (labels[i] != np.roll(labels, 1)[i])
        ramp = 0.5 + (own - max(p.values())) / 0.3
        assert soft[i] == pytest.approx(min(1, max(0, ramp)))
        total = np.clip(proba[i], 1e-3, 1).sum()
        assert log[i] == pytest.approx(np.log(max(own, 1e-3) / total))


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_the_hinge_of_margins_does_not_depend_on_their_scale(scale):
    y = np.arange(30) % 2
    decision = np.where(y == 1, 1.0, -1.0) + np.random.default_rng(0).normal(size=30)
    context = PruningContext(sk.LinearSVC(), np.zeros((30, 1)), y)
    outputs = Outputs((decision > 0).astype(int), np.arange(2), decision=scale * decision)
    found = quantities(outputs, outputs, context)[2]
    margins = np.where(y == 1, decision, -decision)
    hinge = np.maximum(0, 1 - margins / np.sqrt(np.mean(margins**2)))
    np.testing.assert_allclose(found, -hinge)


WEIGHTED = {
    "balanced": (sk.LogisticRegression, {"class_weight": "balanced"}),
    "subsample": (sk.RandomForestClassifier, {"class_weight": "balanced_subsample"}),
    "dict": (sk.DecisionTreeClassifier, {"class_weight": {0: 1.0, 1: 9.0}}),
}


@pytest.mark.parametrize("inside", ["alone", "pipeline", "search", "frozen"])
@pytest.mark.parametrize("name", WEIGHTED)
def test_class_weights_of_the_model_count(name, inside):
    X, y = np.zeros((40, 2)), np.arange(40) // 30
    kind, params = WEIGHTED[name]
    model = kind(**params)
    if inside == "pipeline":
        model = sk.Pipeline([("scale", sk.StandardScaler()), ("model", model)])
    elif inside == "search":
        model = sk.GridSearchCV(model, {})
    elif inside == "frozen":
        model = sk.FrozenEstimator(model)
    own = np.where(y == 1, 9.0, 1.0) if name == "dict" else np.where(y == 1, 2.0, 2 / 3)
    sample_weight = np.linspace(1, 2, 40)
    context = PruningContext(model, X, y, fit_params={"sample_weight": sample_weight})
    if inside in ("pipeline", "search"):  # which take no such parameter
        context = PruningContext(model, X, y)
        sample_weight = np.ones(40)
    weighted, plain = class_and_sample_weights(context)
    np.testing.assert_allclose(weighted, own * sample_weight)
    np.testing.assert_allclose(plain, sample_weight)


def test_sample_weights_alone_are_one_criterion():
    context = PruningContext(sk.LogisticRegression(), np.zeros((9, 1)), np.arange(9) % 2)
    assert len(class_and_sample_weights(context)) == 1


@pytest.mark.parametrize("weighted", [False, True])
def test_the_mean_of_the_rows_is_the_score(X, y, weighted):
    weights = np.random.default_rng(0).random(len(X)) if weighted else None
    params = {"sample_weight": weights} if weighted else {}
    for model, target in (
        (sk.DecisionTreeClassifier(max_depth=3), y),
        (sk.DecisionTreeRegressor(max_depth=3), X[:, 0] + y),
    ):
        model.fit(X, target)
        context = PruningContext(model, X, target, fit_params=params)
        score = model.score(X, target, sample_weight=weights)
        assert mean_score(model, context) == pytest.approx(score, abs=1e-12)


@pytest.mark.parametrize(
    ("model", "keep"),
    [
        (sk.ExtraTreesClassifier(20, random_state=0), 0.9),
        (sk.ExtraTreesClassifier(20, random_state=0), 0.3),
        (sk.RandomForestClassifier(20, random_state=0), 0.6),
        (sk.RandomForestClassifier(20, random_state=0), 0.05),
        (sk.RandomForestRegressor(20, random_state=0), 0.5),
        (sk.HistGradientBoostingClassifier(max_iter=20), 0.5),
        (sk.DecisionTreeClassifier(random_state=0), 0.7),
        (sk.LogisticRegression(), 0.5),
        (sk.LogisticRegression(), 0.3),
        (sk.GaussianNB(), 0.5),
        (sk.BernoulliNB(), 0.3),
        (sk.LinearDiscriminantAnalysis(), 0.5),
    ],
)
def test_a_float_keep_is_at_most_the_share_that_is_stored(model, keep):
    X, y = make_classification(600, n_informative=6, flip_y=0.1, random_state=0)
    kind = PrunedRegressor if "Regressor" in type(model).__name__ else PrunedClassifier
    report = kind(model, keep=keep, random_state=0).fit(X, y).report_
    assert 0 < report.after["parameters"] <= keep * report.before["parameters"]


def test_forests_of_several_sizes():
    X, y = make_classification(600, n_informative=6, flip_y=0.1, random_state=0)
    forest = sk.RandomForestClassifier(20, random_state=0)
    sizes = []
    for keep in (0.9, 0.6, 0.3, 0.1):
        report = PrunedClassifier(forest, keep=keep, random_state=0).fit(X, y).report_
        sizes.append(report.after["parameters"])
        (entry,) = report.path
        assert 0 <= entry["churn"] < 0.2
        assert abs(entry["log_loss"]) < 1
        assert set(entry["churn_by_class"]) == {0, 1}
    assert sizes == sorted(set(sizes), reverse=True)


def test_a_float_keep_that_loses_much_names_one_that_does_not():
    X, y = make_classification(600, n_informative=6, flip_y=0.0, random_state=0)
    model = PrunedClassifier(
        sk.RandomForestClassifier(20, random_state=0),
        keep=0.02,
        tolerance=0.02,
        random_state=0,
    )
    with pytest.warns(UserWarning, match="keep=0.02 loses .* tolerance=0.02") as caught:
        model.fit(X, y)
    enough = float(str(caught[0].message).rpartition("keep=")[2].split()[0])
    assert 0.02 < enough < 1
    assert model.report_.within_tolerance is False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_params(keep=0.9).fit(X, y)
    assert model.report_.within_tolerance


def test_limits_of_bytes_and_churn():
    X, y = make_classification(600, n_informative=6, flip_y=0.1, random_state=0)
    forest = sk.RandomForestClassifier(20, random_state=0)

    def pruned(**params):
        model = PrunedClassifier(forest, keep="auto", cv=3, random_state=0, **params)
        return model.fit(X, y)

    whole = stored_bytes(PrunedClassifier(forest, keep=1.0).fit(X, y).compact_)
    for limit in (whole // 2, whole // 8):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            small = pruned(tolerance=0.02, max_nbytes=limit)
        assert stored_bytes(small.compact_) <= limit
    assert pruned(tolerance=1.0, max_nbytes=10**9).report_.keep >= 0.5  # the best one
    with pytest.warns(UserWarning, match="max_nbytes|No model of at most") as caught:
        tiny = pruned(tolerance=0.0, max_nbytes=whole // 8)
    assert caught[0].filename == __file__
    assert "would pass" in str(caught[0].message) or "keep=1.0" in str(caught[0].message)
    assert tiny.report_.within_tolerance is False
    with pytest.raises(ValueError, match="max_nbytes"):
        pruned(max_nbytes=100)
    assert pruned(tolerance=0.02, max_churn=0.0).report_.keep == 1.0
    loose, strict = (pruned(tolerance=0.5, max_churn=c).report_ for c in (0.3, 0.05))
    assert loose.keep <= strict.keep
    free, seeded = (pruned(tolerance=0.5, max_churn=c).report_ for c in (None, "seed"))
    assert free.keep < seeded.keep <= strict.keep


def test_the_bound_of_the_churn():
    curve = curve_of(0, n_options=1, n_shares=3, n=100)
    curve.pruned[0, :, 3] = 0
    curve.pruned[0, 1, 3, :5] = 1
    curve.pruned[0, 2, 3] = 1
    elsewhere = np.zeros((3, 3), dtype=int)
    zero, five, every = curve.churn_bounds(elsewhere)
    assert zero == pytest.approx(1 - 0.05 ** (1 / 100))
    assert binom.cdf(5, 100, five) == pytest.approx(0.05)
    assert every == 1
    in_groups = replace(curve, groups=np.repeat(np.arange(20), 5))
    assert binom.cdf(1, 20, in_groups.churn_bounds(elsewhere)[1]) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("params", "word"),
    [
        ({"max_nbytes": 1000, "keep": 0.5}, "max_nbytes"),
        ({"max_churn": 0.1, "keep": 1.0}, "max_churn"),
        ({"max_churn": "other", "keep": "auto"}, "max_churn"),
        ({"max_churn": 1.5, "keep": "auto"}, "max_churn"),
        ({"max_nbytes": 0, "keep": "auto"}, "max_nbytes"),
        ({"max_nbytes": True, "keep": "auto"}, "max_nbytes"),
        ({"max_churn": False, "keep": "auto"}, "max_churn"),
    ],
)
def test_limits_that_do_not_fit(params, word, X, y):
    with pytest.raises(ValueError, match=word):
        PrunedClassifier(sk.DecisionTreeClassifier(), **params).fit(X, y)


def test_churn_needs_labels_and_randomness(X, y):
    with pytest.raises(ValueError, match="max_churn"):
        PrunedRegressor(sk.Ridge(), keep="auto", max_churn=0.1).fit(X, X[:, 0])
    for model in (
        sk.GaussianNB(),
        sk.LogisticRegression(),  # the seeds of these two change nothing
        sk.SVC(),
        sk.FrozenEstimator(sk.RandomForestClassifier(3).fit(X, y)),
    ):
        with pytest.raises(ValueError, match="seed"):
            PrunedClassifier(model, keep="auto", max_churn="seed").fit(X, y)


def test_auto_chooses_one_size_of_the_path(X, y):
    model = sk.AdaBoostClassifier(n_estimators=4, random_state=0)
    pruned = PrunedClassifier(
        model, unit="feature", keep="auto", tolerance=0.05, random_state=0
    ).fit(X, y)
    (chosen,) = (step for step in pruned.report_.path if step["chosen"])
    assert chosen["keep"] == pruned.report_.keep < 1
    strict = pruned.set_params(tolerance=0.0, scoring="neg_log_loss").fit(X, y)
    assert strict.report_.keep == 1.0 or strict.report_.path


def test_several_outputs_and_frozen_models_have_sizes():
    X, y = load_iris(return_X_y=True)
    forest = sk.RandomForestClassifier(8, random_state=0).fit(X, y)
    frozen = PrunedClassifier(sk.FrozenEstimator(forest), keep="auto", random_state=0)
    assert frozen.fit(X, y).report_.path
    both = np.column_stack([y, y == 1])
    several = sk.RandomForestClassifier(8, random_state=0)
    report = PrunedClassifier(several, keep=0.5, random_state=0).fit(X, both).report_
    assert report.after["parameters"] <= 0.5 * report.before["parameters"]


@pytest.mark.parametrize(
    ("model", "keep"),
    [
        (sk.LogisticRegression(), 0.1),
        (sk.SVC(), 0.02),
        (sk.GaussianNB(), 0.05),
        (sk.Pipeline([("scale", sk.StandardScaler()), ("model", sk.GaussianNB())]), 0.05),
    ],
)
def test_the_loss_of_models_with_one_option_is_a_warning(model, keep):
    X, y = make_classification(300, n_informative=6, n_redundant=0, random_state=2)
    with pytest.warns(UserWarning, match=f"keep={keep} loses") as caught:
        pruned = PrunedClassifier(model, keep=keep, random_state=0).fit(X, y)
    assert [warning.filename for warning in caught] == [__file__]
    assert pruned.report_.within_tolerance is False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="loses"):
            pruned.fit(X, y)


@pytest.mark.parametrize(
    "model",
    [
        sk.LogisticRegression(class_weight={"no": 1, "yes": 5}),
        sk.LinearSVC(class_weight={"no": 1, "yes": 6}),
        sk.Pipeline(
            [
                ("scale", sk.StandardScaler()),
                ("model", sk.LinearSVC(class_weight={"no": 1, "yes": 6})),
            ]
        ),
    ],
)
def test_a_float_keep_that_loses_the_rare_class_is_a_warning(model):
    X, y = make_classification(
        1000,
        12,
        n_informative=6,
        weights=[0.95],
        class_sep=0.8,
        flip_y=0.01,
        random_state=2,
    )
    y = np.array(["no", "yes"])[y]
    pruned = PrunedClassifier(model, keep=0.2, random_state=0)
    with pytest.warns(UserWarning, match="loses .* with class weights") as caught:
        pruned.fit(X, y)
    report = pruned.report_
    assert report.within_tolerance is False
    (entry,) = report.path
    assert entry["weighted_loss"] - entry["weighted_error"] > 0.005 > entry["loss"]
    assert "with class weights" in str(report)
    enough = float(str(caught[0].message).rpartition("keep=")[2].split()[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pruned.set_params(keep=enough).fit(X, y)


def test_a_float_keep_that_cannot_be_validated_is_still_fitted():
    X = np.random.default_rng(0).normal(size=(4, 5))
    for model in (sk.LogisticRegression(), sk.SVC()):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            report = PrunedClassifier(model, keep=0.5).fit(X, [0, 0, 0, 1]).report_
        (note,) = report.notes
        assert "not estimated on inner folds" in note
        assert report.within_tolerance is None


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"max_churn": 0.0, "tolerance": 0.5}, "upper 95 % bound .* max_churn"),
        (
            {"estimator": sk.RandomForestClassifier(10, random_state=0), "tolerance": 0.02},
            "standard error alone",
        ),
        ({"keep": 0.19, "tolerance": 1.0}, "14 % .* is the largest within it"),
    ],
)
def test_the_report_says_why_the_size_is_no_smaller_or_larger(params, reason):
    X, y = make_classification(300, n_informative=6, random_state=0)
    given = {"estimator": sk.LogisticRegression(), "keep": "auto", "random_state": 0}
    report = PrunedClassifier(**given | params).fit(X, y).report_
    (note,) = report.notes
    assert re.search(reason, note)
    assert note in str(report)


def test_numbers_of_the_report_are_those_of_python():
    X, y = load_iris(return_X_y=True)
    for model, params in (
        (sk.DecisionTreeClassifier(random_state=0), {"keep": np.int64(3), "unit": "leaf"}),
        (sk.LogisticRegression(max_iter=1000), {"keep": np.float64(0.9)}),
    ):
        report = PrunedClassifier(model, **params).fit(X, y).report_
        estimates = [entry | {"option": None} for entry in report.path]
        texts = [report.keep, report.before, report.after, report.seconds, estimates]
        assert json.loads(json.dumps(texts))[:3] == texts[:3]
