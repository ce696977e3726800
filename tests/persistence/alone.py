"""Load the stored files by a package that has numpy only, and compare what they predict.

``python tests/persistence/alone.py PACKAGE FOLDER N_CALLS``: each model predicts in its
process, as a pickle, in 8 threads with N_CALLS calls each, and after a fork.
"""

import os
import pickle
import pickletools
import sys
from importlib import import_module
from pathlib import Path
from threading import Thread

import numpy as np

BLOCKED = ("joblib", "numba", "pandas", "scipy", "skops", "sklearn", "torch")
N_THREADS = 8


class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ImportError(f"{name} is blocked")


def check(model, rows, then, sizes=(20, 1, 2, 3, 5)):
    for n_rows in sizes:
        found = np.asarray(model.predict(rows[:n_rows]))
        if then.dtype.kind == "f":
            np.testing.assert_allclose(found, then[:n_rows], rtol=1e-9)
        else:
            np.testing.assert_array_equal(found, then[:n_rows])


def check_names(content, package):
    """A pickle names this package only."""
    texts = {arg for _, arg, _ in pickletools.genops(content) if type(arg) is str}
    assert {text for text in texts if text.startswith("sklearn_prune")} <= {package}


def check_threads(model, rows, expected, n_calls):
    found = []

    def call():
        same = [np.array_equal(model.predict(rows), expected) for _ in range(n_calls)]
        found.append(all(same))

    threads = [Thread(target=call) for _ in range(N_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * N_THREADS


def check_fork(cases, load):
    process = os.fork()
    if process == 0:
        try:
            for file, model, rows, then in cases:
                check(model, rows, then)
                check(load(file), rows, then)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(process, 0)[1] == 0


def main(package, folder, n_calls):
    sys.meta_path.insert(0, Missing())
    load = import_module(package).load
    answers, cases = np.load(Path(folder) / "answers.npz"), []
    for file in sorted(Path(folder).glob("*.skprune")):
        try:
            model = load(file, verify=file.stem != "leaf")
        except ImportError as error:
            if "sklearn-prune[persist]" in str(error):
                print("skops", file.stem)
                continue
            raise
        rows, then = answers[f"{file.stem} rows"], answers[f"{file.stem} predict"]
        check(model, rows, then)
        content, fresh = pickle.dumps(model), load(file)
        check_names(content, package)
        check(pickle.loads(content), rows, then)
        check_threads(fresh, rows, model.predict(rows), int(n_calls))
        cases.append((file, fresh, rows, then))
    check_fork(cases, load)
    assert not set(BLOCKED) & set(sys.modules)
    assert package.startswith("sklearn_prune.") or "sklearn_prune" not in sys.modules
    print("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
