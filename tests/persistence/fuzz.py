"""Load files that are damaged, or forged with sums that agree, and ask what is loaded.

``python -m tests.persistence.fuzz forged 10000`` makes 10,000 files of each model in two
processes, and prints a table of what came of them. See ``--help``.
"""

import argparse
import resource
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.pipeline import make_pipeline, make_union

from sklearn_prune.persistence import load, save
from tests.estimators import sk
from tests.matrix import fitted_models
from tests.persistence.damage import damaged, forged

FEW = 9
REFUSALS = ("check_finite", "_refuse_nan")  # of numbers between steps that are too large
MAX_BYTES = 1 << 24  # given to `load`; the peak of memory may be four times as high
CHUNK = 250  # files that one task makes
LONGEST = 20  # seconds of a file after which the process ends


def answers(model, rows):
    """What a model says of rows by each method that it has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            method: getattr(model, method)(rows)
            for method in ("predict", "predict_proba", "decision_function")
            if hasattr(model, method)
        }


def describe(answer):
    """What a model said, in a form that can be compared."""
    return {
        method: repr(getattr(value, "tolist", value.__repr__)())
        for method, value in answer.items()
    }


def run(kind, n_files, seed, models, files, folder):
    """What became of each of many files of the models in turn, by how often.

    Parameters
    ----------
    kind : {"damaged", "forged"}
        Whether bytes are changed, or arrays and the description.
    n_files, seed : int
        How many files, and which.
    models, files : dict
        By name, (model, rows) and the bytes of its file.
    folder : Path
        Where to write.

    Returns
    -------
    Counter
        Of what `outcome` says.
    """
    names, found, path = list(files), Counter(), Path(folder) / f"{kind}.skprune"
    expected = {
        name: describe(answers(load_of(files[name], path), rows[:FEW]))
        for name, (_, rows) in models.items()
    }
    for number in range(n_files):
        name = names[number % len(names)]
        make(kind, files[name], path, (seed, number))
        came, _ = outcome(path, models[name][1], expected[name])
        assert kind == "forged" or came in ("refused", "equal"), (number, name, came)
        found[came] += 1
    return found


def make(kind, content, path, seed):
    """Write a file that differs from this content."""
    random = np.random.default_rng(seed)
    if kind == "damaged":
        path.write_bytes(damaged(content, random))
    else:
        forged(content, path, random)


def outcome(path, rows, expected, **options):
    """What becomes of a file, and the line of code of an error in `predict`.

    "refused": a ValueError in one line. "equal": it answers as it did. A forged file may
    also be of an "other" model. It "refuses rows" if it reads another number of columns,
    or if numbers between its steps are missing or infinite; or it "fails in predict".
    """
    try:
        loaded = load(path, **options)
    except ValueError as error:
        return "refused" if "\n" not in str(error) else "refused in lines", None
    if hasattr(rows, "shape") and getattr(loaded, "n_features_in_", None) not in (
        None,
        rows.shape[1],
    ):
        return "refuses rows", None
    try:
        answer = answers(loaded, rows[:FEW])
    except Exception as error:
        if traceback.extract_tb(error.__traceback__)[-1].name in REFUSALS:
            return "refuses rows", None
        own = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if "sklearn_prune" in frame.filename
        ][-1]
        place = f"{Path(own.filename).name}:{own.name}:{own.line}"
        return "fails in predict", f"{place} {type(error).__name__}: {str(error)[:120]}"
    return ("equal" if describe(answer) == expected else "other"), None


def load_of(content, path):
    """What is loaded of a file with this content."""
    path.write_bytes(content)
    return load(path)


def pipelines():
    """Pipelines of the steps that have numpy forms, by name, with rows."""
    X = np.abs(np.random.default_rng(0).normal(size=(60, 4)).round(2))
    codes = np.floor(2 * X)
    texts = ["a cat", "a dog", "cats and dogs", "the cat"] * 15
    scale, unknown = sk.StandardScaler(), {"handle_unknown": "ignore"}
    columns = [("a", scale, [0, 2]), ("b", sk.OneHotEncoder(**unknown), [1])]
    steps = {
        "standard": (scale, X),
        "range": (sk.MinMaxScaler(clip=True), X),
        "maximum": (sk.MaxAbsScaler(), X),
        "robust": (sk.RobustScaler(), X),
        "normal": (sk.Normalizer(), X),
        "binary": (sk.Binarizer(threshold=0.5), X),
        "missing": (sk.SimpleImputer(add_indicator=True), np.where(X > 2, np.nan, X)),
        "one hot": (sk.OneHotEncoder(**unknown), codes),
        "bins": (sk.KBinsDiscretizer(3, quantile_method="averaged_inverted_cdf"), X),
        "pca": (sk.PCA(2, whiten=True), X),
        "polynomial": (sk.PolynomialFeatures(2), X),
        "power": (sk.PowerTransformer(), X),
        "quantiles": (sk.QuantileTransformer(n_quantiles=20), X),
        "selected": (sk.SelectKBest(k=2), X),
        "logarithm": (sk.FunctionTransformer(np.log1p), X),
        "union": (make_union(scale, sk.PCA(2)), X),
        "of columns": (sk.ColumnTransformer(columns, remainder="passthrough"), codes),
        "words": (sk.CountVectorizer(ngram_range=(1, 2)), texts),
        "tfidf": (sk.TfidfVectorizer(), texts),
    }
    y = (X[:, 0] > 0.6).astype(int)
    found = {}
    for name, (step, rows) in steps.items():
        model = make_pipeline(step, sk.LogisticRegression())
        found[f"pipeline of {name}"] = model.fit(rows, y), rows
    return found


def contents(models):
    """For each model its file, and its file with witness rows."""
    found = {}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.skprune"
        for name, (model, _) in models.items():
            for witness in (False, True):
                save(model, path, witness=witness)
                found[name, witness] = path.read_bytes()
    return found


def confine():
    """Keep this process from taking the memory of the machine."""
    limit = 8 * 2**30
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    warnings.simplefilter("ignore")


def peak():
    """The largest memory of this process, in bytes, since `reset_peak`."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def reset_peak():
    Path("/proc/self/clear_refs").write_text("5")


def chunk(kind, name, files, rows, numbers, seed):
    """Outcomes of some files of one model: counts, slowest, largest, lines of errors."""
    counts, errors, slowest, largest = Counter(), {}, 0.0, 0
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # files are written fast
    with TemporaryDirectory(dir=memory) as folder:
        path = Path(folder) / "model.skprune"
        expected = describe(answers(load_of(files[0], path), rows[:FEW]))
        for number in numbers:
            with_witness = number % 8 == 0
            make(kind, files[with_witness], path, (seed, number))
            reset_peak()
            before, start = peak(), time.process_time()
            signal.setitimer(signal.ITIMER_PROF, LONGEST)
            options = {"max_bytes": MAX_BYTES, "verify": with_witness}
            came, line = outcome(path, rows, expected, **options)
            signal.setitimer(signal.ITIMER_PROF, 0)
            counts[came] += 1
            slowest = max(slowest, time.process_time() - start)
            largest = max(largest, peak() - before)
            if line is not None:
                errors.setdefault(line, (name, number))
    return name, counts, slowest, largest, errors


def run_each(kind, n_files, seed, models, n_processes):
    """For each model, what `chunk` gives of `n_files` files, and a table of it."""
    files = contents(models)
    found = {name: [Counter(), 0.0, 0] for name in models}
    errors = {}
    pool = ProcessPoolExecutor(
        n_processes, mp_context=get_context("fork"), initializer=confine
    )
    with pool:
        tasks = [
            pool.submit(
                chunk,
                kind,
                name,
                [files[name, False], files[name, True]],
                rows[:FEW],
                range(start, min(start + CHUNK, n_files)),
                seed,
            )
            for start in range(0, n_files, CHUNK)
            for name, (_, rows) in models.items()
        ]
        for task in as_completed(tasks):
            name, counts, slowest, largest, lines = task.result()
            found[name][0].update(counts)
            found[name][1] = max(found[name][1], slowest)
            found[name][2] = max(found[name][2], largest)
            errors |= lines
    return found, errors


def table(found):
    """The outcomes as a table in Markdown."""
    kinds = ("refused", "equal", "other", "refuses rows", "fails in predict")
    lines = [
        f"| model | files | {' | '.join(kinds)} | slowest (s) | peak (MB) |",
        "| --- " * 9 + "|",
    ]
    total = Counter()
    for name, (counts, slowest, largest) in found.items():
        total.update(counts)
        numbers = [counts.total(), *(counts[kind] for kind in kinds)]
        cells = " | ".join(f"{number:,}" for number in numbers)
        lines.append(f"| {name} | {cells} | {slowest:.2f} | {largest / 1e6:.1f} |")
    numbers = [total.total(), *(total[kind] for kind in kinds)]
    cells = " | ".join(f"{number:,}" for number in numbers)
    slowest, largest = (max(own[k] for own in found.values()) for k in (1, 2))
    lines.append(f"| all | {cells} | {slowest:.2f} | {largest / 1e6:.1f} |")
    return "\n".join(lines)


def main(arguments):
    """Print how many files came to what, and where `predict` failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("damaged", "forged"))
    parser.add_argument("n_files", type=int, help="of each model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--models", nargs="*", help="names; by default all")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        models = fitted_models() | pipelines()
        if options.models:
            models = {name: models[name] for name in options.models}
        found, errors = run_each(
            options.kind, options.n_files, options.seed, models, options.processes
        )
    print(table(found))
    for line, (name, number) in sorted(errors.items()):
        print(f"{name} {number}: {line}")
    allowed = {"refused", "equal"}
    if options.kind == "damaged" and any(own[0].keys() - allowed for own in found.values()):
        sys.exit("A damaged file was loaded as another model.")


if __name__ == "__main__":
    main(sys.argv[1:])
