"""Which criterion ranks which unit, and whether it beats random units at keep=0.2."""

import numpy as np
import pytest
from sklearn import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale

from sklearn_prune import PrunedClassifier, weight_pruning
from sklearn_prune import weight_pruning as wp
from sklearn_prune.sample_selection import CondensedNNSelector
from sklearn_prune.weight_pruning._registry import family_for, family_specs, resolve
from tests.estimators import sk

MAGNITUDES = [wp.MagnitudeCriterion("l1"), wp.MagnitudeCriterion("l2")]
PENALTIES = [wp.PenaltyCriterion("l1"), wp.PenaltyCriterion("l2")]
LINEAR = [*MAGNITUDES, *PENALTIES, wp.TaylorCriterion(), wp.SecondOrderCriterion()]
LEAVES = [wp.MagnitudeCriterion(), *PENALTIES, wp.SecondOrderCriterion()]
CONTRIBUTIONS = [
    wp.ContributionCriterion("reduced_error"),
    wp.ContributionCriterion("complementarity"),
    wp.ContributionCriterion("margin"),
    wp.PenaltyCriterion("l1"),
]
FOREST = sk.RandomForestClassifier(15, random_state=0)
BOOSTING = sk.GradientBoostingClassifier(n_estimators=15, random_state=0)
TABLE = [
    (sk.LogisticRegression(max_iter=300), "coefficient", LINEAR),
    (sk.LogisticRegression(max_iter=300), "feature", [*LINEAR, wp.PermutationCriterion(2)]),
    (sk.GaussianNB(), "feature", [wp.PermutationCriterion(2)]),
    (
        sk.AdaBoostClassifier(n_estimators=10, random_state=0),
        "feature",
        [wp.PermutationCriterion(2)],
    ),
    (
        sk.SVC(C=5),
        "support_vector",
        [
            *MAGNITUDES,
            *PENALTIES,
            wp.SecondOrderCriterion(),
            wp.CoverageCriterion(),
            CondensedNNSelector(),
        ],
    ),
    (FOREST, "node", LEAVES),
    (FOREST, "leaf", LEAVES),
    (FOREST, "tree", CONTRIBUTIONS),
    (BOOSTING, "iteration", CONTRIBUTIONS),
    (
        sk.KNeighborsClassifier(3),
        "prototype",
        [wp.CoverageCriterion(), wp.MagnitudeCriterion(), CondensedNNSelector()],
    ),
]
CELLS = [
    pytest.param(model, unit, criterion, id=f"{type(model).__name__}-{unit}-{criterion!r}")
    for model, unit, criteria in TABLE
    for criterion in criteria
]
# Cells that the guide lists as no better than random units on both sets.
NO_BETTER = {
    ("LogisticRegression", "coefficient", "TaylorCriterion()"),
    ("LogisticRegression", "feature", "TaylorCriterion()"),
    ("LogisticRegression", "feature", "PermutationCriterion(n_repeats=2)"),
    ("AdaBoostClassifier", "feature", "PermutationCriterion(n_repeats=2)"),
    ("SVC", "support_vector", "PenaltyCriterion()"),
    ("SVC", "support_vector", "PenaltyCriterion(penalty='l2')"),
    ("RandomForestClassifier", "node", "MagnitudeCriterion()"),
    ("RandomForestClassifier", "node", "PenaltyCriterion()"),
    ("RandomForestClassifier", "node", "PenaltyCriterion(penalty='l2')"),
    ("RandomForestClassifier", "node", "SecondOrderCriterion()"),
    ("RandomForestClassifier", "leaf", "PenaltyCriterion()"),
    ("RandomForestClassifier", "leaf", "SecondOrderCriterion()"),
    ("RandomForestClassifier", "tree", "ContributionCriterion(measure='complementarity')"),
    ("RandomForestClassifier", "tree", "ContributionCriterion(measure='margin')"),
    ("KNeighborsClassifier", "prototype", "CoverageCriterion()"),
    ("KNeighborsClassifier", "prototype", "MagnitudeCriterion()"),
    ("KNeighborsClassifier", "prototype", "CondensedNNSelector()"),
}


@pytest.fixture(scope="module")
def data():
    """Two sets of three splits: digits and breast cancer, standardised."""
    splits = {}
    for name, load in (("digits", load_digits), ("cancer", load_breast_cancer)):
        X, y = load(return_X_y=True)
        X = scale(X)
        splits[name] = [
            train_test_split(
                X, y, train_size=400, test_size=160, random_state=seed, stratify=y
            )
            for seed in range(3)
        ]
    return splits


@pytest.fixture(scope="module")
def scores(data):
    """Mean scores of a criterion at keep=0.2 on both sets, computed once."""
    cache = {}

    def score(model, unit, criterion):
        key = (repr(model), unit, repr(criterion))
        if key not in cache:
            cache[key] = {
                name: np.mean(
                    [
                        PrunedClassifier(
                            clone(model), criterion, unit=unit, keep=0.2, random_state=seed
                        )
                        .fit(X, y)
                        .score(X_test, y_test)
                        for seed, (X, X_test, y, y_test) in enumerate(splits)
                    ]
                )
                for name, splits in data.items()
            }
        return cache[key]

    return score


@pytest.mark.slow
@pytest.mark.parametrize(("model", "unit", "criterion"), CELLS)
def test_every_cell_beats_its_random_cell(scores, model, unit, criterion):
    found = scores(model, unit, criterion)
    random = scores(model, unit, wp.RandomCriterion())
    differences = {name: round(float(found[name] - random[name]), 4) for name in found}
    if (type(model).__name__, unit, repr(criterion)) in NO_BETTER:
        return
    assert all(value > 0 for value in differences.values()), differences


@pytest.mark.parametrize(("model", "unit", "criterion"), CELLS)
def test_every_cell_prunes(model, unit, criterion):
    X, y = load_wine(return_X_y=True)
    X = scale(X)
    small = PrunedClassifier(
        clone(model), criterion, unit=unit, keep=0.5, random_state=0
    ).fit(X[::2], y[::2])
    assert len(small.kept_) < small.n_units_
    if not isinstance(model, sk.AdaBoostClassifier):  # other columns, as many trees
        assert small.report_.after["parameters"] < small.report_.before["parameters"]
    assert small.score(X[1::2], y[1::2]) > 0.6
    assert np.array_equal(
        small.predict(X),
        PrunedClassifier(clone(model), criterion, unit=unit, keep=0.5, random_state=0)
        .fit(X[::2], y[::2])
        .predict(X),
    )


def test_the_criteria_of_a_unit_are_those_whose_quantity_it_offers():
    shipped = [
        getattr(weight_pruning, name)
        for name in weight_pruning.__all__
        if name.endswith("Criterion") and name != "Criterion"
    ]
    families = [
        family_for(sk.MLPClassifier(), "feature")[0],
        *(family_for(model, unit)[0] for model, unit, _ in TABLE),
        family_for(sk.VotingClassifier([("a", FOREST), ("b", BOOSTING)]), "auto")[0],
    ]
    families += [resolve(path)() for path in {spec.family for spec in family_specs()}]
    for family in families:
        assert family.criteria.keys() == family.offers.keys()
        for unit, recommended in family.criteria.items():
            ranking = {cls for cls in shipped if family.ranks(unit, cls())}
            assert ranking == {*recommended, wp.RandomCriterion}, (family, unit)
        for unit in () if family.recurses else family.units:
            assert all(callable(getattr(family, name)) for name in family.offers[unit])
