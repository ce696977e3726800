"""What compilation costs: the first calls of a fresh process, with and without a cache."""

import json
import os
import pickle
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

from families_data import load
from families_measure import Section, check, columns_table, cpu, pruned, values_of
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

MODELS = {  # data set, model, keep of a lossy fit
    "forest": ("satimage", RandomForestClassifier(20, random_state=0), 0.2),
    "regression forest": ("friedman1", RandomForestRegressor(20, random_state=0), 0.2),
    "tree": ("satimage", DecisionTreeClassifier(random_state=0), 0.2),
    "HGB": ("satimage", HistGradientBoostingClassifier(max_iter=10), 0.2),
    "SVC": ("satimage", SVC(), 0.2),
    "k-NN": ("satimage", KNeighborsClassifier(), 0.2),
    "logistic": ("satimage", LogisticRegression(max_iter=200), 0.2),
}


N_CACHED = 2  # processes of which the faster one counts


def fresh_process(folder, cache, what):
    """CPU seconds of the first calls in a process of its own."""
    command = [sys.executable, __file__, str(folder), what]
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    if run.returncode:
        raise RuntimeError(run.stderr)
    return json.loads(run.stdout.splitlines()[-1])


def measure(name, seed):
    """First with an empty cache, then again."""
    data, model, keep = MODELS[name]
    part = load(data, seed, max_train=600, scale=True)
    lossless = pruned(model, part, seed, keep=1.0).compact_
    with TemporaryDirectory() as folder:
        job = {"compact": lossless, "model": model, "part": part, "keep": keep}
        (Path(folder) / "job.pickle").write_bytes(pickle.dumps(job))
        yield from (("", *item) for item in fresh_process(folder, folder, "numba").items())
        for what in ("predict", "fit"):
            cache = Path(folder) / f"cache-{what}"
            for quantity, seconds in fresh_process(folder, cache, what).items():
                yield "cold", quantity, seconds
            again = [fresh_process(folder, cache, what) for _ in range(N_CACHED)]
            for quantity in again[0]:
                yield "cached", quantity, min(found[quantity] for found in again)


def first_calls(folder, what):
    """What a fresh process does, in CPU seconds less those of a second call."""
    job = pickle.loads((Path(folder) / "job.pickle").read_bytes())
    part, found = job["part"], {}
    if what == "numba":
        found["import numba"], _ = cpu(lambda: import_module("numba"))
    elif what == "predict":
        compact = job["compact"]
        for n_rows in (1, 1000):
            rows = part.like_test(n_rows)
            seconds = [cpu(lambda r=rows: compact.predict(r))[0] for _ in range(2)]
            found[f"{n_rows:,} rows"] = seconds[0] - seconds[1]
        found["predict"] = sum(found.values())
    else:
        seconds = [
            cpu(lambda: pruned(job["model"], part, 0, keep=job["keep"]))[0]
            for _ in range(2)
        ]
        found["lossy fit"] = seconds[0] - seconds[1]
    print(json.dumps(found))


def targets(frame):
    for variant, bound in (("cached", 0.5), ("cold", 6)):
        found = values_of(frame, "predict", variant)
        text = f"first predictions after import, {variant}: at most {bound} s"
        yield check(text, found, at_most=bound)
        found = values_of(frame, "lossy fit", variant)
        text = f"first lossy fit, {variant}: at most {bound} s more than the second"
        yield check(text, found, at_most=bound)


def tables(frame):
    names = ("1 rows", "1,000 rows", "predict", "lossy fit")
    yield (
        "CPU seconds of `import numba` alone",
        columns_table(frame, ("import numba",), variant=""),
    )
    yield (
        "CPU seconds of first calls, less those of second ones",
        columns_table(frame[frame["variant"] != ""], names),
    )


SECTIONS = {
    "jit": Section(
        "Compilation",
        "A fresh process loads a pickled compact form, asks it about one row and about "
        "1,000 rows; another fits with `keep=0.2`. `import numba` is part of it. Cold: "
        "with an empty NUMBA_CACHE_DIR; cached: again, the faster of two.",
        tuple(MODELS),
        measure,
        targets,
        tables,
    ),
}

if __name__ == "__main__":
    import warnings

    warnings.simplefilter("ignore")
    first_calls(*sys.argv[1:])
