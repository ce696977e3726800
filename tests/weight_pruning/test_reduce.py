"""Rank, keep and refit on a family made of a table: which units stay, and how often."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler

from sklearn_prune import weight_pruning as wp
from sklearn_prune._ranking import Ranking
from sklearn_prune.weight_pruning._context import PruningContext
from sklearn_prune.weight_pruning._family import Family
from sklearn_prune.weight_pruning._protocol import PruningRequest, UnitTable
from sklearn_prune.weight_pruning.criteria import (
    ContributionCriterion,
    CoverageCriterion,
    PenaltyCriterion,
    RandomCriterion,
    SecondOrderCriterion,
    TaylorCriterion,
    check_criterion,
)

CONTEXT = PruningContext(None, np.zeros((4, 2)), np.zeros(4), seed=0)


@dataclass(frozen=True)
class Shelf:
    """Units with weights and sizes, and what was done to them."""

    ids: np.ndarray
    weights: np.ndarray
    sizes: np.ndarray
    log: list = field(default_factory=list)


class ShelfFamily(Family):
    units = ("book",)
    criteria = {"book": (wp.MagnitudeCriterion, RandomCriterion)}
    groups = None

    def table(self, work, unit, context):
        groups = None if self.groups is None else self.groups[work.ids]
        return UnitTable(work.ids, work.sizes, fixed=3, groups=groups)

    def apply(self, work, unit, kept, context):
        assert np.array_equal(kept, np.unique(kept))
        work.log.append(len(kept))
        return Shelf(work.ids[kept], work.weights[kept], work.sizes[kept], work.log)

    def refit(self, work, unit, context):
        work.log.append("refit")
        return replace(work, weights=work.weights[::-1])

    def weights(self, work, unit, context):
        return work.weights

    def gradient_effects(self, work, unit, context):
        return work.weights[:, 0] ** 2

    removal_losses = gradient_effects

    def points(self, work, unit, context):
        return work.weights, None

    def contributions(self, work, unit, measure, context):
        return Ranking(np.arange(len(work.ids))[::-1])

    def penalised(self, work, unit, penalty, context):
        return replace(work, log=[penalty]), -work.weights[:, 0]


@pytest.fixture
def shelf():
    rng = np.random.default_rng(0)
    return Shelf(np.arange(20), rng.normal(size=(20, 3)), rng.integers(1, 9, 20))


def request(refit=False, **arguments):
    return PruningRequest("book", refit=refit, **arguments)


@pytest.mark.parametrize(("norm", "power"), [("l1", 1), ("l2", 2)])
def test_the_largest_stay_and_nothing_else_changes(shelf, norm, power):
    before = shelf.ids.copy(), shelf.weights.copy()
    shares = [0.7, 6, 2]
    found = ShelfFamily().reduce(
        shelf, shares, request(criterion=wp.MagnitudeCriterion(norm)), CONTEXT
    )
    sizes = (np.abs(shelf.weights) ** power).sum(axis=1)
    for smaller, n in zip(found, (14, 6, 2), strict=True):
        assert np.array_equal(smaller.ids, np.sort(np.argsort(-sizes)[:n]))
    assert np.array_equal(shelf.ids, before[0])
    assert np.array_equal(shelf.weights, before[1])
    assert shelf.log == [14, 6, 2]


@pytest.mark.parametrize("share", [0.9, 0.5, 0.2, 0.05])
def test_the_plan_counts_parameters(shelf, share):
    (smaller,) = ShelfFamily().reduce(
        shelf, [share], PruningRequest("auto", refit=False), CONTEXT
    )
    total = shelf.sizes.sum() + 3
    order = np.argsort(-np.linalg.norm(shelf.weights, axis=1))
    sizes = np.cumsum(shelf.sizes[order]) + 3
    fitting = max(1, np.count_nonzero(sizes <= np.floor(share * total + 0.5)))
    assert np.array_equal(smaller.ids, np.sort(order[:fitting]))


def test_rounds_refit_and_rank_again(shelf):
    (smaller,) = ShelfFamily().reduce(
        shelf, [0.2], request(refit=True, schedule=wp.IterativeSchedule(3)), CONTEXT
    )
    numbers = [round(20 * 0.2 ** (step / 3)) for step in (1, 2, 3)]
    assert shelf.log == [numbers[0], "refit", numbers[1], "refit", numbers[2], "refit"]
    ids, weights = shelf.ids, shelf.weights
    for n in numbers:
        kept = np.sort(np.argsort(-np.linalg.norm(weights, axis=1), kind="stable")[:n])
        ids, weights = ids[kept], weights[kept][::-1]
    assert np.array_equal(smaller.ids, ids)


def test_each_group_keeps_a_unit(shelf):
    family = ShelfFamily()
    family.groups = np.arange(20) % 5
    (smaller,) = family.reduce(shelf, [3], request(), CONTEXT)
    assert np.array_equal(np.unique(smaller.ids % 5), np.arange(5))


@pytest.mark.parametrize(
    "criterion", [TaylorCriterion(), SecondOrderCriterion(), PenaltyCriterion("l2")]
)
def test_criteria_ask_the_family(shelf, criterion):
    work, ranking = criterion.rank_units(ShelfFamily(), shelf, "book", CONTEXT)
    score = -shelf.weights[:, 0]
    if not isinstance(criterion, PenaltyCriterion):
        score = shelf.weights[:, 0] ** 2
    assert np.array_equal(ranking.order, np.argsort(-score, kind="stable"))
    assert work.log == (["l2"] if isinstance(criterion, PenaltyCriterion) else [])


def test_contribution_takes_the_order_of_the_family(shelf):
    _, ranking = ContributionCriterion("margin").rank_units(
        ShelfFamily(), shelf, "book", CONTEXT
    )
    assert np.array_equal(ranking.order, np.arange(20)[::-1])
    with pytest.raises(ValueError, match="measure must be one of"):
        ContributionCriterion("worst").rank_units(ShelfFamily(), shelf, "book", CONTEXT)


@pytest.mark.parametrize("order", ["medoid", "herding", "k_center"])
def test_coverage_leaves_no_cluster_out(order):
    rng = np.random.default_rng(0)
    centres = np.repeat(np.eye(4) * 50, 25, axis=0)
    work = Shelf(np.arange(100), centres + rng.normal(size=(100, 4)), np.ones(100, int))
    _, ranking = CoverageCriterion(order).rank_units(ShelfFamily(), work, "book", CONTEXT)
    assert sorted(ranking.order) == list(range(100))
    assert len(np.unique(ranking.order[:8] // 25)) == 4
    with pytest.raises(ValueError, match="order must be one of"):
        CoverageCriterion("no").rank_units(ShelfFamily(), work, "book", CONTEXT)


def test_any_object_with_an_order_ranks_points(shelf):
    from sklearn_prune.sample_selection import KCenterSelector

    criterion = check_criterion(KCenterSelector())
    _, ranking = criterion.rank_units(ShelfFamily(), shelf, "book", CONTEXT)
    assert np.array_equal(ranking.order, KCenterSelector().fit(shelf.weights).order_)
    behind = make_pipeline(MaxAbsScaler(), KCenterSelector())
    _, ranking = check_criterion(behind).rank_units(ShelfFamily(), shelf, "book", CONTEXT)
    assert np.array_equal(ranking.order, behind.fit(shelf.weights)[-1].order_)
    with pytest.raises(ValueError, match="no order_ after fit"):
        check_criterion(MaxAbsScaler()).rank_units(ShelfFamily(), shelf, "book", CONTEXT)


def test_random_units_depend_on_the_seed_alone(shelf):
    orders = [
        RandomCriterion(seed).rank_units(ShelfFamily(), shelf, "book", CONTEXT)[1].order
        for seed in (None, 0, 1)
    ]
    assert np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[1], orders[2])


@pytest.mark.parametrize("refit", [False, True])
@pytest.mark.parametrize(
    ("schedule", "rewinds"),
    [
        (wp.IterativeSchedule(3), False),
        (wp.IterativeSchedule(3, rewind="init"), True),
        (wp.GradualSchedule(3), False),
    ],
    ids=str,
)
def test_rewinding_comes_before_each_refit(shelf, schedule, rewinds, refit):
    class Rewound(ShelfFamily):
        def rewind(self, work, context):
            work.log.append("rewind")
            return work

    Rewound().reduce(shelf, [0.2], request(refit=refit, schedule=schedule), CONTEXT)
    steps = [entry for entry in shelf.log if isinstance(entry, str)]
    assert steps == (["rewind"] * rewinds + ["refit"]) * 3 * refit
    assert len(shelf.log) - len(steps) == 3
