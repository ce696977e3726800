"""Write the files of this version that later ones have to load.

Run once for a release: ``python -m tests.persistence.artefacts``.
"""

from pathlib import Path

import numpy as np
from scipy.sparse import issparse

import sklearn_prune
from sklearn_prune.persistence import save
from tests.matrix import fitted_models


def write(folder):
    """Write a file for each model on dense rows, and what it answers."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name, (model, rows) in fitted_models().items():
        if issparse(rows):
            continue
        stem = name.replace(" ", "_")
        save(model, folder / f"{stem}.skprune")
        found[f"{stem} rows"] = rows[:20].astype(float)
        found[f"{stem} predict"] = np.asarray(model.predict(rows[:20]))
    np.savez_compressed(folder / "answers.npz", **found)


if __name__ == "__main__":
    write(Path(__file__).parent / "artefacts" / sklearn_prune.__version__)
