"""Choose rows with datapruning 2.2, in an environment of its own.

`row_selection.py` writes one archive for each training set (arrays X, y, methods and the
sizes to keep) and runs this file with the Python of an environment in which datapruning is
installed: ``python row_selection_peers.py FOLDER PART N_PARTS``. It needs no network.

Two ways to use it, both through its public ``DatasetEngine``:

- ``datapruning``: ``optimize(keep_ratio=...)``, which picks its algorithm itself and, where
  that does not beat random rows on a holdout of its own, returns random rows;
- ``datapruning-report``: the rows that its ``mislabel_report`` flags are removed first, the
  rest is optimised to the same size.
"""

import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from datapruning.sdk import DatasetEngine


def as_frame(X, y):
    """The rows as the table that the engine reads."""
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
    return frame.assign(label=y)


def optimise(frame, size):
    """Positions of `size` rows and whether they are its random fallback."""
    if size >= len(frame):
        return frame.index.to_numpy(), False
    ratio = (size + 0.5) / len(frame)  # the engine keeps int(ratio * n)
    result = DatasetEngine(frame, target_col="label").optimize(keep_ratio=ratio)
    kept = result["optimized_df"].index.to_numpy()  # the index of the frame survives
    return kept, "random" in result["explainability"]["algorithm"]


def without_suspects(frame, size):
    """The frame without flagged rows, the most doubtful first, but `size` rows at least."""
    suspects = DatasetEngine(frame, target_col="label").mislabel_report().suspects
    flagged = [suspect["index"] for suspect in suspects if suspect["flagged"]]
    return frame.drop(index=flagged[: len(frame) - size])


def choose(source):
    """Kept rows, fallback and CPU seconds for each way and size, by name."""
    with np.load(source) as arrays:
        frame = as_frame(arrays["X"], arrays["y"])
        methods, sizes = arrays["methods"].tolist(), arrays["sizes"].tolist()
    found = {}
    for method in methods:
        for size in sizes:
            start = time.process_time()
            table = frame if method == "datapruning" else without_suspects(frame, size)
            kept, fallback = optimise(table, size)
            name = f"{method}/{size}"
            found[f"{name}/rows"] = np.sort(kept)
            found[f"{name}/fallback"] = fallback
            found[f"{name}/seconds"] = time.process_time() - start
    return found


def main(folder, part, n_parts):
    """Answer every n-th archive of the folder that has no answer yet."""
    for source in sorted(Path(folder).glob("*.in.npz"))[int(part) :: int(n_parts)]:
        target = source.with_name(source.name.replace(".in.npz", ".out.npz"))
        if not target.exists():
            unfinished = target.with_suffix(".part")
            with unfinished.open("wb") as stream:
                np.savez_compressed(stream, **choose(source))
            unfinished.replace(target)


if __name__ == "__main__":
    main(*sys.argv[1:])
