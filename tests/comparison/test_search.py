import importlib.util
import pickle
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from sklearn import model_selection
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sklearn_prune import PrunedClassifier, SampleSubsetClassifier
from sklearn_prune.comparison import cost_scorer, smallest_not_worse
from sklearn_prune.comparison.search.results import share_of
from sklearn_prune.comparison.verdicts.statistics import share_of_test

EXAMPLES = Path(__file__).parents[2] / "examples"
KEEPS = (1.0, 0.5, 0.2, 0.1)


def results_of(scores, costs, params, *, score="accuracy", cost="nbytes"):
    """What a search would record of scores of shape (n_candidates, n_splits)."""
    scores = np.asarray(scores, dtype=float)
    params = [p if isinstance(p, dict) else {"keep": p} for p in params]
    found = {"params": params, f"mean_test_{score}": scores.mean(axis=1)}
    for number, column in enumerate(scores.T):
        found[f"split{number}_test_{score}"] = column
    found[f"mean_test_{cost}"] = -np.asarray(costs, dtype=float)
    found["mean_fit_time"] = np.arange(len(params), 0.0, -1)
    found["mean_score_time"] = np.ones(len(params))
    for name in {name for each in params for name in each}:
        values = [each.get(name) for each in params]
        missing = [name not in each for each in params]
        found[f"param_{name}"] = np.ma.MaskedArray(np.array(values, dtype=object), missing)
    return found


def steady(means, n_splits=10, spread=0.004, seed=0):
    """Scores whose differences have the given means and hardly any spread."""
    rng = np.random.default_rng(seed)
    common = rng.normal(0, 0.03, n_splits)
    own = rng.normal(0, spread, (len(means), n_splits))
    own -= own.mean(axis=1, keepdims=True)
    return np.asarray(means)[:, None] + common + own


PICK = smallest_not_worse(0.01, "nbytes", test_share=5)


def by_hand(scores, costs, keeps, margin, share, alpha):
    """The rule, written down once more for floats that are all of one chain."""
    base = keeps.index(1.0)
    order = sorted((k for k in range(len(keeps)) if k != base), key=lambda k: -keeps[k])
    picked = base
    for k in order:
        d = scores[k] - scores[base]
        se = np.sqrt(np.var(d, ddof=1) * (1 / len(d) + share / (1 - share)))
        if d.mean() - stats.t.ppf(1 - alpha, len(d) - 1) * se < -margin:
            break
        if costs[k] < costs[picked]:
            picked = k
    return picked


@pytest.mark.parametrize("n_splits", [5, 20])
def test_the_rule_by_hand(n_splits):
    rng = np.random.default_rng(n_splits)
    picks = []
    for _ in range(150):
        keeps = list(rng.permutation([1.0, 0.7, 0.4, 0.2, 0.05]))
        means = [0.9 - rng.choice([0, 0.002, 0.01, 0.05]) for _ in keeps]
        scores = steady(means, n_splits, rng.choice([0.001, 0.01]), rng.integers(10**6))
        costs = [1000 * keep * rng.uniform(0.5, 1.5) for keep in keeps]
        pick = smallest_not_worse(0.015, "nbytes", test_share=0.2, alpha=0.1)
        found = pick(results_of(scores, costs, keeps))
        assert found == by_hand(scores, costs, keeps, 0.015, 0.2, 0.1)
        assert type(found) is int
        picks.append(keeps[found])
    assert len(set(picks)) >= 4


def test_what_comes_after_a_failure_is_not_tested():
    scores = steady([0.9, 0.899, 0.8, 0.9])
    results = results_of(scores, [100, 50, 20, 10], KEEPS)
    assert PICK(results) == 1
    why = PICK.explain(results)
    assert list(why["verdict"]) == ["baseline", "not worse", "worse", "not tested"]
    assert list(why["picked"]) == [False, True, False, False]
    assert why["p_not_worse"].iloc[3] > 0.99
    assert list(why["cost"]) == [100, 50, 20, 10]
    assert list(why["keep"]) == list(KEEPS)
    assert why["difference"].to_numpy() == pytest.approx([0, -0.001, -0.1, 0], abs=1e-12)
    assert (why["ci_low"] <= why["difference"]).all()
    columns = ["candidate", "keep", "score", "difference", "ci_low", "ci_high"]
    columns += ["p_not_worse", "verdict", "cost", "picked"]
    assert list(why) == columns


def test_the_order_is_that_of_keep_and_not_of_scores_or_rows():
    scores = steady([0.9, 0.9, 0.8, 0.9])
    results = results_of(scores, [10, 1, 20, 100], [0.1, 0.2, 0.5, 1.0])
    assert PICK(results) == 3


def test_the_cheapest_that_passed_and_not_the_last():
    scores = steady([0.9] * 4)
    assert PICK(results_of(scores, [100, 30, 50, 40], KEEPS)) == 1
    assert PICK(results_of(scores, [10, 30, 50, 40], KEEPS)) == 0
    assert PICK(results_of(scores, [100, 40, 40, 40], KEEPS)) == 1


def test_equal_predictions_have_a_verdict():
    scores = np.tile(np.linspace(0.8, 0.9, 5), (4, 1))
    assert PICK(results_of(scores, [4, 3, 2, 1], KEEPS)) == 3
    scores[2] -= 0.02
    assert PICK(results_of(scores, [4, 3, 2, 1], KEEPS)) == 1


def test_a_failed_fold_does_not_pass():
    scores = steady([0.9] * 4)
    scores[2, 3] = np.nan
    results = results_of(scores, [4, 3, 2, 1], KEEPS)
    assert PICK(results) == 1
    assert list(PICK.explain(results)["verdict"][2:]) == ["failed", "not tested"]
    scores[0, 0] = np.nan
    with pytest.raises(ValueError, match=r"keep=1.0 must have a score on each fold"):
        PICK(results_of(scores, [4, 3, 2, 1], KEEPS))


def test_one_fold_knows_nothing():
    pick = smallest_not_worse(0.01, "nbytes", test_share=0.2)
    results = results_of(np.full((4, 1), 0.9), [4, 3, 2, 1], KEEPS)
    assert pick(results) == 0
    assert list(pick.explain(results)["verdict"][1:]) == [
        "undecided",
        "not tested",
        "not tested",
    ]


def test_an_unknown_cost_is_not_the_smallest():
    scores = steady([0.9] * 4)
    assert PICK(results_of(scores, [4, 3, 2, np.nan], KEEPS)) == 2
    with pytest.raises(ValueError, match="NaN for all of them"):
        PICK(results_of(scores, [np.nan] * 4, KEEPS))


def test_candidates_share_the_other_parameters_of_the_best_baseline():
    params = [{"clf__keep": keep, "clf__estimator__C": C} for C in (1, 2) for keep in KEEPS]
    scores = steady([0.8, 0.8, 0.8, 0.8, 0.9, 0.9, 0.9, 0.5])
    results = results_of(scores, [4, 3, 2, 1, 40, 30, 20, 10], params)
    assert PICK(results) == 6
    assert list(PICK.explain(results)["candidate"]) == [4, 5, 6, 7]
    scores[:4] += 0.2
    assert PICK(results_of(scores, range(8, 0, -1), params)) == 3


def test_parameters_are_compared_by_value():
    def forest():
        return RandomForestClassifier(max_depth=np.int64(3))

    params = [
        {"keep": keep, "estimator": forest(), "weights": np.arange(3), "f": max}
        for keep in KEEPS
    ]
    params[3]["estimator"] = RandomForestClassifier(max_depth=4)
    params[2]["weights"] = np.arange(4)
    results = results_of(steady([0.9] * 4), [4, 3, 2, 1], params)
    why = PICK.explain(results)
    assert list(why["candidate"]) == [0, 1]


def test_no_candidate_beside_the_baseline():
    params = [{"keep": keep, "C": C} for C, keep in enumerate(KEEPS)]
    results = results_of(steady([0.9] * 4), [4, 3, 2, 1], params)
    with pytest.warns(UserWarning, match="No candidate shares the other parameters"):
        assert PICK(results) == 0


def test_kinds_of_keep_are_sequences_of_their_own_and_divide_alpha():
    keeps = [1.0, 0.5, 0.2, 50, 100, "auto"]
    scores = steady([0.9, 0.9, 0.5, 0.9, 0.9, 0.9])
    results = results_of(scores, [60, 50, 1, 20, 30, 40], keeps)
    assert PICK(results) == 3
    why = PICK.explain(results)
    assert list(why["candidate"]) == [0, 1, 2, 4, 3, 5]
    differences = scores[5] - scores[0]
    se = np.sqrt(np.var(differences, ddof=1) * (1 / 10 + 0.25))
    half = stats.t.ppf(1 - 0.05 / 3 / 2, 9) * se
    assert why["ci_low"].iloc[5] == pytest.approx(differences.mean() - half, rel=1e-9)
    edge = -(differences.mean() - stats.t.ppf(1 - 0.05 / 2, 9) * se)
    results = results_of(scores[[0, 5]], [2, 1], [1.0, "auto"])
    assert smallest_not_worse(edge, "nbytes", test_share=5)(results) == 1
    results = results_of(scores[[0, 5, 2, 2]], [9, 1, 2, 3], [1.0, "auto", 0.5, 40])
    assert smallest_not_worse(edge, "nbytes", test_share=5)(results) == 0


def test_two_keeps():
    params = [{"keep": a, "estimator__keep": b} for a in (1.0, 0.5) for b in (1.0, 0.5)]
    results = results_of(steady([0.9] * 4), [4, 3, 2, 1], params)
    with pytest.raises(ValueError, match=r"'keep', 'estimator__keep'\. Write keep='keep'"):
        PICK(results)
    one = smallest_not_worse(0.01, "nbytes", test_share=5, keep="keep")
    assert list(one.explain(results)["candidate"]) == [0, 2]
    two = smallest_not_worse(0.01, "nbytes", test_share=5, keep="estimator__keep")
    assert list(two.explain(results)["candidate"]) == [0, 1]
    fixed = results_of(steady([0.9] * 2), [2, 1], params[1::2])
    with pytest.raises(ValueError, match=r"keep=1.0 and estimator__keep=1.0.*Write 1.0"):
        one(fixed)
    asked = smallest_not_worse(0.01, "nbytes", test_share=5, keep="keep", baseline=0)
    assert asked(fixed) == 1


def test_another_baseline():
    results = results_of(steady([0.95, 0.9, 0.9, 0.9]), [4, 3, 2, 1], KEEPS)
    for baseline in (1, {"keep": 0.5}, np.int64(1)):
        pick = smallest_not_worse(0.01, "nbytes", test_share=5, baseline=baseline)
        assert list(pick.explain(results)["candidate"]) == [1, 2, 3]
        assert pick(results) == 3
    params = [{"clf": SVC(C=2)}, *({"clf__keep": k, "clf": SVC()} for k in KEEPS)]
    results = results_of(steady([0.9] * 5), [5, 4, 3, 2, 1], params)
    plain = smallest_not_worse(0.01, "nbytes", test_share=5, baseline={"clf": SVC(C=2)})
    assert list(plain.explain(results)["candidate"]) == [0, 1, 2, 3, 4]
    assert plain(results) == 4
    n_trees = [{"n_estimators": n} for n in (10, 100, 50)]
    results = results_of(steady([0.9] * 3), [1, 10, 5], n_trees)
    trees = smallest_not_worse(
        0.01, "param_n_estimators", test_share=5, keep="n_estimators", baseline=1
    )
    assert list(trees.explain(results)["candidate"]) == [1, 2, 0]
    assert trees(results) == 0


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        (9, r"Got 9 of 4 candidates"),
        (-1, r"Got -1 of 4 candidates"),
        ("keep", r"the number of a candidate, or a dict of parameters\. Got 'keep'"),
        ({"keep": 0.3}, r"which 0 have"),
        ({}, r"which 4 have"),
        (3, r"Got candidate 3, .*which failed on one"),
    ],
)
def test_wrong_baseline(baseline, message):
    scores = steady([0.9] * 4)
    scores[3, 0] = np.nan
    pick = smallest_not_worse(0.01, "nbytes", test_share=5, baseline=baseline)
    with pytest.raises(ValueError, match=message) as info:
        pick(results_of(scores, [4, 3, 2, 1], KEEPS))
    assert "\n" not in str(info.value)


def test_margin_in_per_cent():
    scores = steady([-2.0, -2.01, -2.5, -2.0], spread=1e-3)
    results = results_of(scores, [4, 3, 2, 1], KEEPS, score="neg_log_loss")
    assert smallest_not_worse("1%", "nbytes", test_share=5)(results) == 1
    assert smallest_not_worse("0.1 %", "nbytes", test_share=5)(results) == 0
    assert smallest_not_worse("40%", "nbytes", test_share=5)(results) == 3
    results = results_of(np.zeros((4, 5)), [4, 3, 2, 1], KEEPS)
    with pytest.raises(ValueError, match="is not 0"):
        smallest_not_worse("1%", "nbytes", test_share=5)(results)


def test_costs_that_every_search_records():
    results = results_of(steady([0.9] * 4), [1, 2, 3, 4], KEEPS, score="score")
    del results["mean_test_nbytes"]
    assert smallest_not_worse(0.01, "fit_time", test_share=5)(results) == 3
    assert smallest_not_worse(0.01, "score_time", test_share=5)(results) == 0
    assert smallest_not_worse(0.01, "param_keep", test_share=5)(results) == 3
    with pytest.raises(
        ValueError, match=r"'score', 'fit_time', .*Got 'nbytes'.*Write scor"
    ):
        PICK(results)
    with pytest.raises(ValueError, match=r"did you mean 'fit_time'"):
        smallest_not_worse(0.01, "fit_tim", test_share=5)(results)
    results["params"] = [each | {"kernel": "rbf"} for each in results["params"]]
    results["param_kernel"] = np.ma.array(["rbf"] * 4, dtype=object)
    with pytest.raises(ValueError, match="must be a number"):
        smallest_not_worse(0.01, "param_kernel", test_share=5)(results)


def test_a_cost_that_is_positive_is_refused():
    results = results_of(steady([0.9] * 4), [-1, -2, -3, -4], KEEPS)
    with pytest.raises(ValueError, match=r"'nbytes' with a mean of 4\. Write scoring="):
        PICK(results)


def test_which_score_is_the_quality():
    results = results_of(steady([0.9] * 4), [4, 3, 2, 1], KEEPS)
    results["mean_test_n_params"] = results["mean_test_nbytes"]
    assert PICK(results) == 3
    results["mean_test_f1"] = results["mean_test_accuracy"]
    for number in range(10):
        results[f"split{number}_test_f1"] = results[f"split{number}_test_accuracy"] * KEEPS
    with pytest.raises(ValueError, match=r"Got 'accuracy', 'f1'\. Write score='accuracy'"):
        PICK(results)
    assert smallest_not_worse(0.01, "nbytes", test_share=5, score="f1")(results) == 0
    assert smallest_not_worse(0.01, "nbytes", test_share=5, score="accuracy")(results) == 3
    with pytest.raises(ValueError, match=r"Got 'acuracy'.*did you mean 'accuracy'"):
        smallest_not_worse(0.01, "nbytes", test_share=5, score="acuracy")(results)


def test_without_a_keep():
    scores = steady([0.9] * 2)
    with pytest.raises(ValueError, match=r"Got 'C'\. Write keep='C'"):
        PICK(results_of(scores, [2, 1], [{"C": 1}, {"C": 2}]))
    with pytest.raises(ValueError, match=r"must have keep=1.0.*Got {'keep': 0.5}"):
        PICK(results_of(scores, [2, 1], [0.5, 1]))
    wrong = smallest_not_worse(0.01, "nbytes", test_share=5, keep="clf_keep")
    with pytest.raises(ValueError, match=r"Got 'clf_keep'.*did you mean 'clf__keep'"):
        wrong(results_of(scores, [2, 1], [{"clf__keep": 1.0}, {"clf__keep": 0.5}]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"margin": 0}, "margin must be .*Got 0"),
        ({"margin": -0.1}, "margin must be .*Got -0.1"),
        ({"margin": "1"}, "margin must be .*Got '1'"),
        ({"margin": "x%"}, "margin must be .*Got 'x%'"),
        ({"margin": None}, "margin must be .*Got None"),
        ({"margin": {"accuracy": 0.1}}, "margin must be .*Got {'accuracy'"),
        ({"margin": np.nan}, "margin must be .*Got nan"),
        ({"alpha": 0}, "alpha must be .*Got 0"),
        ({"alpha": 1.0}, "alpha must be .*Got 1.0"),
        ({"alpha": "5%"}, "alpha must be .*Got '5%'"),
        ({"cost": 3}, "cost must name a cost.*Got 3"),
        ({"test_share": None}, "test_share must be .*Got None.*Write 5 or 0.2"),
        ({"test_share": 1}, "test_share must be .*Got 1"),
        ({"test_share": 1.5}, "test_share must be .*Got 1.5"),
        ({"test_share": True}, "test_share must be .*Got True"),
        (
            {"test_share": model_selection.TimeSeriesSplit(3)},
            "what comes before.*Got TimeSeriesSplit",
        ),
        (
            {"test_share": model_selection.LeaveOneOut()},
            r"Got LeaveOneOut\(\)\. Write the share",
        ),
        (
            {"test_share": model_selection.LeaveOneGroupOut()},
            r"Got LeaveOneGroupOut\(\)\. Write the share",
        ),
        (
            {"test_share": model_selection.ShuffleSplit(3, test_size=9)},
            r"Got ShuffleSplit.*Write the share",
        ),
    ],
)
def test_wrong_arguments(arguments, message):
    arguments = {"margin": 0.01, "cost": "nbytes", "test_share": 5} | arguments
    margin, cost = arguments.pop("margin"), arguments.pop("cost")
    with pytest.raises(ValueError, match=message) as info:
        smallest_not_worse(margin, cost, **arguments)
    assert "\n" not in str(info.value)


@pytest.mark.parametrize(
    "splitter",
    [
        model_selection.KFold(4),
        model_selection.StratifiedKFold(3),
        model_selection.GroupKFold(5),
        model_selection.StratifiedGroupKFold(2),
        model_selection.RepeatedKFold(n_splits=4, n_repeats=3),
        model_selection.RepeatedStratifiedKFold(n_splits=3, n_repeats=2),
        model_selection.ShuffleSplit(3),
        model_selection.ShuffleSplit(3, test_size=0.25),
        model_selection.ShuffleSplit(3, train_size=0.75),
        model_selection.ShuffleSplit(3, test_size=0.25, train_size=0.25),
        model_selection.ShuffleSplit(3, test_size=30, train_size=60),
        model_selection.StratifiedShuffleSplit(3, test_size=0.5),
        model_selection.PredefinedSplit(np.repeat([-1, 0, 1], 40)),
    ],
    ids=repr,
)
def test_share_of_a_splitter_is_that_of_its_splits(splitter):
    X, y = np.zeros((120, 1)), np.repeat([0, 1], 60)
    groups = np.arange(120) if "Group" in type(splitter).__name__ else None
    splits = list(splitter.split(X, y, groups))
    assert share_of(splitter) == pytest.approx(share_of_test(splits), rel=1e-12)
    assert share_of(splits) == share_of_test(splits)


def test_share_of_group_shuffle_split_is_that_of_groups():
    splitter, groups = model_selection.GroupShuffleSplit(3), np.repeat(np.arange(20), 6)
    splits = list(splitter.split(groups, groups=groups))
    assert share_of(splitter) == pytest.approx(share_of_test(splits, groups))


def test_splits_that_look_forward_are_refused():
    splits = list(model_selection.TimeSeriesSplit(3).split(np.zeros(20)))
    with pytest.raises(ValueError, match="what comes before"):
        share_of(splits)


@pytest.mark.parametrize(
    "share",
    [3, model_selection.KFold(4), model_selection.ShuffleSplit(7), [([0, 2], [1])] * 4],
)
def test_a_splitter_that_cannot_have_made_the_splits(share):
    results = results_of(steady([0.9] * 4, n_splits=10), [4, 3, 2, 1], KEEPS)
    with pytest.raises(ValueError, match=r"which makes \d splits, for 10 splits"):
        smallest_not_worse(0.01, "nbytes", test_share=share)(results)


def test_repr_pickle_and_copies():
    cv = model_selection.StratifiedKFold(5)
    pick = smallest_not_worse("1%", "n_params", test_share=cv, keep="a__keep", alpha=0.1)
    assert repr(pick) == (
        "smallest_not_worse('1%', 'n_params', test_share=StratifiedKFold(n_splits=5, "
        "random_state=None, shuffle=False), keep='a__keep', alpha=0.1)"
    )
    results = results_of(steady([0.9] * 4), [4, 3, 2, 1], KEEPS)
    assert repr(PICK) == "smallest_not_worse(0.01, 'nbytes', test_share=5)"
    assert pickle.loads(pickle.dumps(PICK))(results) == PICK(results)


SCORING = {"accuracy": "accuracy", "nbytes": cost_scorer("nbytes")}


@pytest.fixture(scope="module")
def rows():
    return make_classification(
        300, 12, n_informative=6, n_classes=3, class_sep=1.5, random_state=0
    )


def test_grid_search_over_a_pipeline(rows):
    cv = model_selection.RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0)
    pipe = make_pipeline(StandardScaler(), PrunedClassifier(SVC(), random_state=0))
    search = model_selection.GridSearchCV(
        pipe,
        {"prunedclassifier__keep": KEEPS, "prunedclassifier__estimator__C": [1, 10]},
        cv=cv,
        scoring=SCORING,
        refit=smallest_not_worse(0.05, "nbytes", test_share=cv),
    )
    search = clone(search).fit(*rows)
    why = search.refit.explain(search.cv_results_)
    assert search.best_index_ == why["candidate"][why["picked"]].item()
    chosen = search.best_estimator_[-1]
    assert chosen.keep == why["keep"][why["picked"]].item() < 1
    others = [search.cv_results_["params"][k] for k in why["candidate"]]
    assert len({p["prunedclassifier__estimator__C"] for p in others}) == 1
    results = search.cv_results_
    whole = results["param_prunedclassifier__keep"] == 1.0
    assert results["mean_test_accuracy"][why["candidate"][0]] == max(
        results["mean_test_accuracy"][whole]
    )
    assert "smallest_not_worse(0.05, 'nbytes'" in repr(search)
    assert search.best_estimator_.score(*rows) > 0.8


def test_processes_change_nothing(rows):
    cv = model_selection.StratifiedKFold(3)
    searches = [
        model_selection.GridSearchCV(
            PrunedClassifier(SVC(), random_state=0),
            {"keep": [1.0, 0.5, 0.25]},
            cv=cv,
            scoring=SCORING,
            refit=smallest_not_worse(0.1, "nbytes", test_share=cv),
            n_jobs=n_jobs,
        ).fit(*rows)
        for n_jobs in (None, 2)
    ]
    one, two = (search.refit.explain(search.cv_results_) for search in searches)
    assert one.drop(columns="cost").equals(two.drop(columns="cost"))
    # The pickle of an array from another process names its dtype again.
    assert one["cost"].to_numpy() == pytest.approx(two["cost"].to_numpy(), abs=200)


def test_randomized_search(rows):
    search = model_selection.RandomizedSearchCV(
        SampleSubsetClassifier(LogisticRegression(), random_state=0),
        {"keep": [1.0, 0.6, 0.3]},
        n_iter=3,
        cv=4,
        random_state=0,
        refit=smallest_not_worse(0.1, "fit_time", test_share=4),
    ).fit(*rows)
    why = search.refit.explain(search.cv_results_)
    assert sorted(why["candidate"]) == [0, 1, 2]
    assert list(why["keep"]) == [1.0, 0.6, 0.3]
    passed = why[why["verdict"].isin(["baseline", "not worse"])]
    assert search.best_index_ == passed["candidate"][passed["cost"].idxmin()]
    assert search.cv_results_["mean_fit_time"][search.best_index_] == passed["cost"].min()


def test_nested_in_cross_validation(rows):
    search = model_selection.GridSearchCV(
        SampleSubsetClassifier(SVC(), random_state=0),
        {"keep": [1.0, 0.8, 0.1]},
        cv=3,
        scoring={"score": "accuracy", "n_samples": cost_scorer("n_samples")},
        refit=smallest_not_worse("15%", "n_samples", test_share=3),
    )
    scoring = {"accuracy": "accuracy", "n_samples": cost_scorer("n_samples")}
    found = model_selection.cross_validate(
        search, *rows, cv=3, scoring=scoring, return_estimator=True
    )
    kept = [len(one.best_estimator_.sample_indices_) for one in found["estimator"]]
    assert list(found["test_n_samples"]) == [-n for n in kept]
    assert set(kept) <= {200, 160, 20}
    assert min(kept) < 200


def test_failed_fits_of_a_search(rows):
    search = model_selection.GridSearchCV(
        PrunedClassifier(SVC(), unit="support_vector"),
        {"keep": [1.0, 0.5, 3, 10_000]},
        cv=3,
        scoring=SCORING,
        refit=smallest_not_worse(0.2, "nbytes", test_share=3),
    )
    with pytest.warns(Warning, match="fits failed"):
        search.fit(*rows)
    why = search.refit.explain(search.cv_results_).set_index("keep")
    assert why["verdict"][10_000] == "failed"
    assert why["verdict"][3] == "not tested"
    assert search.best_params_ == {"keep": 0.5}


def test_halving_search_is_refused():
    X, y = load_iris(return_X_y=True)
    halving = model_selection.HalvingGridSearchCV(
        SampleSubsetClassifier(SVC(), random_state=0), {"keep": [1.0, 0.5]}, random_state=0
    ).fit(X, y)
    pick = smallest_not_worse(0.05, "fit_time", test_share=5)
    with pytest.raises(
        ValueError, match=r"on the same rows\. Got .* halving .*GridSearchCV"
    ):
        pick(halving.cv_results_)


def test_the_example_prints_why_and_what(tmp_path, monkeypatch, capsys):
    matplotlib = pytest.importorskip("matplotlib")
    pytest.importorskip("pandas")
    matplotlib.use("Agg")
    path = EXAMPLES / "plot_smallest_in_grid_search.py"
    spec = importlib.util.spec_from_file_location("example", path)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    model = example.MODELS["SVC, fewer rows"]
    X, y = load_digits(return_X_y=True)
    found = example.search(model, X[:400], y[:400], keeps=(1.0, 0.8, 0.02), n_repeats=1)
    frame = example.table(found)
    assert list(frame["keep"]) == [1.0, 0.8, 0.02]
    assert frame["verdict"].iloc[2] in ("worse", "not tested")
    assert found.best_params_["keep"] == frame["keep"][frame["picked"]].item()
    monkeypatch.setattr(example, "MODELS", {"rows": model})
    quick = partial(example.search, keeps=(1.0, 0.5), n_repeats=1)
    monkeypatch.setattr(example, "search", quick)
    monkeypatch.setattr(example, "load_digits", lambda return_X_y: (X[:300], y[:300]))
    picture = tmp_path / "picture.png"
    monkeypatch.setattr("sys.argv", ["example", "--picture", str(picture), "--jobs", "1"])
    example.main()
    printed = capsys.readouterr().out
    assert printed.count("baseline") == 1
    assert "Picked keep=" in printed
    assert picture.stat().st_size > 10_000
