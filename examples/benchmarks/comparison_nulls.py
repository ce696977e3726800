"""Measure how often the verdicts of a comparison are wrong where the truth is known.

Simulated data sets, each drawn afresh, and models that are equal, or worse by exactly the
margin, by symmetry. ``python examples/benchmarks/comparison_nulls.py`` writes
docs/benchmarks/comparison_nulls.csv and .md and prints the latter. Every finished cell is
kept in a folder, ``--store``: a run that was stopped goes on where it was.
"""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from comparison_nulls_learners import LEARNERS
from comparison_nulls_report import write_report
from scipy import stats
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
)

from sklearn_prune.comparison.verdicts.statistics import (
    corrected_posterior,
    fixed_sequence,
    share_of_test,
    verdict,
)

ALPHA, MARGIN = 0.05, 0.02
CHUNK = 50
N_CHECKED = 5
CHAIN, N_VARIANTS = 4, 16
DOCS = Path(__file__).parents[2] / "docs" / "benchmarks"

LAYOUTS = {  # name: splitter and how many of its splits
    "1x5": ("5 folds", 5),
    "1x10": ("10 folds", 10),
    "3x5": ("5 folds", 15),
    "4x5": ("5 folds", 20),
    "10x5": ("5 folds", 50),
    "10x10": ("10 folds", 100),
    "5x2": ("2 folds", 10),
    "20 x ShuffleSplit": ("random", 20),
    "4x5 stratified": ("5 folds of classes", 20),
    "10x5 stratified": ("5 folds of classes", 50),
}
GROUP_LAYOUTS = {
    "GroupKFold 1x5": ("as they come", 5),
    "GroupKFold 10x5": ("5 folds", 50),
    "20 x GroupShuffleSplit": ("random", 20),
}
EQUAL_PARTS = {
    "weights": [0.5] * 10,
    "models": [list(range(5)), list(range(5, 10))],
    "learners": tuple(LEARNERS),
}
ONE_COLUMN_OF_ITS_OWN = {
    "weights": [0.7] * 2 + [0.5] * (N_VARIANTS + 1),
    "models": [[0, 1, 2 + own] for own in range(N_VARIANTS + 1)],
}
ONE_COLUMN_LESS = {
    "weights": [0.3] * N_VARIANTS,
    "models": [
        [-1 if column == out else column for column in range(N_VARIANTS)]
        for out in range(-1, N_VARIANTS)
    ],
}


@dataclass(frozen=True)
class Scenario:
    """Data sets of n rows and models; the first model is the baseline."""

    kind: str
    n: int
    weights: list
    models: list
    correlation: float | None = None
    learners: tuple = tuple(LEARNERS)[:3]

    @property
    def name(self):
        groups = "" if self.correlation is None else f", correlation {self.correlation:g}"
        return f"{self.kind}, n = {self.n}{groups}"

    @property
    def layouts(self):
        return LAYOUTS if self.correlation is None else GROUP_LAYOUTS

    @property
    def groups(self):
        """Forty groups of one to ten rows, 200 in all, or None."""
        if self.correlation is None:
            return None
        sizes = np.tile(np.arange(1, 10), 5)[:40]
        sizes[:10] += 1
        return np.repeat(np.arange(40), sizes)

    def draw(self, rng, n_draws):
        """Columns and targets; a share of each one's variance is common to a group."""
        values = rng.standard_normal((n_draws, self.n, len(self.weights) + 1))
        if self.correlation:
            common = rng.standard_normal((n_draws, 40, values.shape[2]))[:, self.groups]
            values *= np.sqrt(1 - self.correlation)
            values += np.sqrt(self.correlation) * common
        X = np.ascontiguousarray(values[..., :-1])
        return X, X @ np.array(self.weights) + values[..., -1]

    def splits(self, seed):
        """All splits of each splitter, as scikit-learn makes them."""
        X, groups = np.zeros((self.n, 1)), self.groups
        classes = np.arange(self.n) >= self.n / 2
        if groups is None:
            splitters = {
                f"{k} folds": [RepeatedKFold(n_splits=k, n_repeats=r, random_state=seed)]
                for k, r in ((5, 10), (10, 10), (2, 5))
            }
            splitters["random"] = [ShuffleSplit(20, test_size=0.2, random_state=seed)]
            cv = RepeatedStratifiedKFold(n_splits=5, n_repeats=10, random_state=seed)
            splitters["5 folds of classes"] = [cv]
        else:
            splitters = {
                "as they come": [GroupKFold(5)],
                "5 folds": [
                    GroupKFold(5, shuffle=True, random_state=10 * seed + repeat)
                    for repeat in range(10)
                ],
                "random": [GroupShuffleSplit(20, test_size=0.2, random_state=seed)],
            }
        return {
            name: [split for cv in parts for split in cv.split(X, classes, groups)]
            for name, parts in splitters.items()
        }


SCENARIOS = [
    Scenario("equal", 200, **EQUAL_PARTS),
    Scenario("equal", 200, **EQUAL_PARTS, correlation=0.0),
    Scenario("equal", 200, **EQUAL_PARTS, correlation=0.5),
    Scenario("shifted", 200, **ONE_COLUMN_OF_ITS_OWN),
    Scenario("shifted", 200, **ONE_COLUMN_OF_ITS_OWN, correlation=0.5),
    Scenario("one column less", 200, **ONE_COLUMN_LESS),
    Scenario("equal", 1000, **EQUAL_PARTS),
]


def as_labels(splits):
    """Splits whose training rows are all others, as the learners take them."""
    ways, n_folds = [], []
    for train, test in splits:
        if not ways or (ways[-1][test] >= 0).any():
            ways.append(np.full(len(train) + len(test), -1))
            n_folds.append(0)
        ways[-1][test] = n_folds[-1]
        n_folds[-1] += 1
    return ways, n_folds


def simulate(scenario, learner, n_draws, seed):
    """Of each layout the means and deviations of scores and of differences, by draw."""
    found = {name: [] for name in scenario.layouts}
    models = np.array(scenario.models)
    for chunk in range(n_draws // CHUNK):
        rng = np.random.default_rng([seed, chunk])
        X, y = scenario.draw(rng, CHUNK)
        for source, splits in scenario.splits(seed + chunk).items():
            if source == "5 folds of classes":
                if "accuracy" not in learner:
                    continue
                order = np.argsort(y, axis=1)
                X = np.take_along_axis(X, order[..., None], axis=1)
                y = np.take_along_axis(y, order, axis=1) - np.median(y, axis=1)[:, None]
            ways, n_folds = as_labels(splits)
            scores = np.empty((CHUNK, len(models), len(splits)))
            LEARNERS[learner](X, y, np.array(ways), np.array(n_folds), models, scores)
            for name, (wanted, n_splits) in scenario.layouts.items():
                if wanted != source:
                    continue
                part = scores[..., :n_splits]
                differences = part[:, 1:] - part[:, :1]
                share = share_of_test(splits[:n_splits], scenario.groups)
                if chunk == 0:
                    check(differences[:N_CHECKED], share)
                found[name].append(
                    {
                        "score": part.mean(axis=2),
                        "score deviation": part.std(axis=2),
                        "difference": differences.mean(axis=2),
                        "deviation": differences.std(axis=2, ddof=1),
                        "design": np.array([n_splits, share]),
                    }
                )
    found = {name: parts for name, parts in found.items() if parts}
    return {
        f"{name}|{key}": parts[0][key]
        if key == "design"
        else np.concatenate([part[key] for part in parts])
        for name, parts in found.items()
        for key in parts[0]
    }


def corrected_scale(deviation, n_splits, share):
    return deviation * np.sqrt(1 / n_splits + share / (1 - share))


def passes(difference, scale, n_splits, margin, alpha):
    """Whether the verdict is "not worse"."""
    return difference - stats.t.isf(alpha, n_splits - 1) * scale >= -margin


def any_chain(passed, n_chains):
    """Whether a variant passes after all milder ones of its chain, in any chain."""
    chains = passed[:, : n_chains * CHAIN].reshape(len(passed), n_chains, CHAIN)
    return np.logical_and.accumulate(chains, axis=2)


def check(differences, share):
    """The formulas of arrays that are used here give what the library gives."""
    n_splits = differences.shape[2]
    mean = differences.mean(axis=2)
    scale = corrected_scale(differences.std(axis=2, ddof=1), n_splits, share)
    with np.errstate(invalid="ignore", divide="ignore"):
        p_value = 2 * stats.t.sf(np.abs(mean) / scale, n_splits - 1)
    p_value[scale == 0] = mean[scale == 0] == 0
    passed = passes(mean, scale, n_splits, MARGIN, ALPHA / 2)
    sequence = any_chain(passed, passed.shape[1] // CHAIN).reshape(len(mean), -1)
    for draw, variants in enumerate(differences):
        posteriors = [corrected_posterior(one, share) for one in variants]
        np.testing.assert_allclose([one.p_value for one in posteriors], p_value[draw])
        verdicts = [verdict(one, MARGIN, ALPHA / 2) for one in posteriors]
        assert [one == "not worse" for one in verdicts] == passed[draw].tolist()
        for first in range(0, sequence.shape[1], CHAIN):
            gated = fixed_sequence(verdicts[first : first + CHAIN])
            own = sequence[draw, first : first + CHAIN]
            assert [one == "not worse" for one in gated] == own.tolist()


def rates_of_equal(cell):
    """How often two equal models are called different, at 5 per cent, two-sided."""
    n_splits, share = cell["design"]
    difference = np.abs(cell["difference"])
    critical = stats.t.isf(ALPHA / 2, n_splits - 1)
    corrected = corrected_scale(cell["deviation"], n_splits, share)
    yield "plain t", difference > critical * cell["deviation"] / np.sqrt(n_splits)
    yield "corrected t", difference > critical * corrected


def rates_of_worse(cell, shifted):
    """How often variants that are worse by exactly the margin are called not worse."""
    n_splits, share = cell["design"]
    difference, deviation = cell["difference"], cell["deviation"]
    scale = corrected_scale(deviation, n_splits, share)
    # At the boundary, a difference of -margin is 0 here.
    loss = 0.0 if shifted else -difference.mean()
    boundary = difference + loss
    plain = deviation / np.sqrt(n_splits)
    yield "plain t, one", passes(boundary, plain, n_splits, 0, ALPHA)
    score = cell["score"][:, :9].copy()
    score[:, 1:] -= MARGIN if shifted else 0
    best = score.argmax(axis=1)[:, None]
    bound = np.take_along_axis(score, best, 1)
    bound -= np.take_along_axis(cell["score deviation"], best, 1)
    yield "within one SD, one", score[:, 1:] >= bound
    yield "within one SD, any of 8", (score[:, 1:] >= bound).any(axis=1)
    half = passes(boundary, scale, n_splits, 0, ALPHA / 2)
    yield "corrected t, one, at 2.5", half
    half = passes(boundary, scale, n_splits, 0, ALPHA / 8)
    yield "chains 4, at 2.5", any_chain(half, 4).any(axis=(1, 2))
    passed = passes(boundary, scale, n_splits, 0, ALPHA)
    yield "corrected t, one", passed
    yield "corrected t, any of 8", passed[:, :8].any(axis=1)
    for n_chains in (1, 2, 3, 4):
        passed = passes(boundary, scale, n_splits, 0, ALPHA / n_chains)
        yield f"chains {n_chains}", any_chain(passed, n_chains).any(axis=(1, 2))


def amounts(cell, kind):
    """What else a reader wants to know of a layout; losses in points of the score."""
    n_splits, share = cell["design"]
    difference = cell["difference"]
    scale = corrected_scale(cell["deviation"], n_splits, share)
    spread = np.sqrt(np.mean(difference.var(axis=0)) / np.mean(scale**2))
    yield "true / corrected standard deviation", spread
    if kind == "equal":
        return
    needed = stats.t.isf(ALPHA, n_splits - 1) * scale
    if kind == "shifted":
        needed -= difference
    yield "certifiable margin, points", 100 * np.median(np.maximum(needed, 0))
    loss = MARGIN if kind == "shifted" else -difference.mean()
    yield "margin, points", 100 * loss
    together = [
        np.corrcoef(*pair)[0, 1] for pair in zip(difference.T, scale.T, strict=True)
    ]
    yield "correlation of difference and its error", np.mean(together)


def rows_of(scenario, learner, arrays):
    """The lines of the csv for one scenario and learner."""
    for layout in scenario.layouts:
        cell = {
            key.partition("|")[2]: value
            for key, value in arrays.items()
            if key.partition("|")[0] == layout
        }
        if not cell:
            continue
        shifted = scenario.kind == "shifted"
        start = scenario.kind, scenario.n, scenario.correlation, learner, layout
        equal = scenario.kind == "equal"
        found = rates_of_equal(cell) if equal else rates_of_worse(cell, shifted)
        for name, wrong in found:
            each = wrong.reshape(len(wrong), -1).mean(axis=1)  # variants have equal roles
            error = each.std() / np.sqrt(len(each))
            yield *start, f"{name}, %", 100 * each.mean(), 100 * error, len(each)
        for name, value in amounts(cell, scenario.kind):
            yield *start, name, value, np.nan, len(cell["difference"])


def slowest_last(cell):
    _, scenario, learner, _ = cell
    return list(LEARNERS).index(learner), scenario.n


def main():
    """Simulate what is not yet there and write both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=10_000, help="a multiple of 50")
    parser.add_argument("--out", type=Path, default=DOCS, help="folder of the tables")
    parser.add_argument("--store", type=Path, default=Path("comparison_nulls_cells"))
    args = parser.parse_args()
    args.store.mkdir(parents=True, exist_ok=True)
    cells = [
        (number, scenario, learner, args.store / f"{scenario.name}, {short}.npz")
        for number, scenario in enumerate(SCENARIOS)
        for learner in scenario.learners
        for short in [f"{learner.split(',')[0]}, {args.draws}"]
    ]
    for number, scenario, learner, path in sorted(cells, key=slowest_last):
        if not path.exists():
            start = sum(os.times()[:2])
            arrays = simulate(scenario, learner, args.draws, 1_000_000 * number)
            seconds = sum(os.times()[:2]) - start
            np.savez(path, seconds=seconds, **arrays)
            print(f"{path.stem}: {seconds:.0f} s", flush=True)
    rows, seconds = [], 0.0
    for _, scenario, learner, path in cells:
        arrays = dict(np.load(path))
        seconds += float(arrays.pop("seconds"))
        rows += rows_of(scenario, learner, arrays)
    write_report(args.out, rows, args.draws, seconds)


if __name__ == "__main__":
    main()
