"""Load files that are damaged, or forged with sums that agree, and ask what is loaded.

``python -m tests.persistence.fuzz damaged 100000`` prints a table of what came of it.
"""

import sys
import warnings
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sklearn_prune.persistence import load, save
from tests.matrix import fitted_models
from tests.persistence.damage import damaged, forged

FEW = 9


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
    """What became of each of many files, by how often.

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
        "refused": a ValueError in one line. "equal": it answers as it did. "other" and
        "fails in predict" are what a forged file may be; a damaged one never.
    """
    names, found, path = list(files), Counter(), Path(folder) / f"{kind}.skprune"
    expected = {
        name: describe(answers(load_of(files[name], path), rows[:FEW]))
        for name, (_, rows) in models.items()
    }
    for number in range(n_files):
        random = np.random.default_rng((seed, number))
        name = names[number % len(names)]
        if kind == "damaged":
            path.write_bytes(damaged(files[name], random))
        else:
            forged(files[name], path, random)
        try:
            loaded = load(path)
        except ValueError as error:
            found["refused" if "\n" not in str(error) else "refused in lines"] += 1
            continue
        try:
            answer = answers(loaded, models[name][1][:FEW])
        except Exception:
            assert kind == "forged", (number, name)
            found["fails in predict"] += 1
            continue
        equal = describe(answer) == expected[name]
        assert equal or kind == "forged", (number, name)
        found["equal" if equal else "other"] += 1
    return found


def load_of(content, path):
    """What is loaded of a file with this content."""
    path.write_bytes(content)
    return load(path)


def main(kind, n_files, seed=0):
    """Print how many files came to what."""
    models, files = fitted_models(), {}
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, (model, _) in models.items():
            save(model, Path(folder) / "model.skprune")
            files[name] = (Path(folder) / "model.skprune").read_bytes()
        found = run(kind, n_files, seed, models, files, folder)
    counts = ", ".join(f"{count:,} {what}" for what, count in found.most_common())
    print(f"{n_files:,} {kind} files of {len(files)} models: {counts}")


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
