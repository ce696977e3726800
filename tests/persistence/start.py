"""What one start to the first prediction takes over ``import numpy``, file by file.

``python -m tests.persistence.start FOLDER`` prints a line for each file of a folder of
artefacts: modules that are imported, CPU time (ms) and memory (MB). Each file is loaded in
a process of its own, forked from one that has numpy only.
"""

import os
import resource
import sys
from pathlib import Path
from time import process_time

import numpy as np

FOREIGN = ("joblib", "numba", "pandas", "scipy", "skops", "sklearn", "torch")


def started(file, rows, **options):
    """Modules, seconds and bytes that a file takes in this process, and what is foreign."""
    before, memory, start = set(sys.modules), resident(), process_time()
    from sklearn_prune.predictors import load

    load(file, **options).predict(rows)
    seconds, memory = process_time() - start, resident() - memory
    new = set(sys.modules) - before
    return len(new), seconds, memory, sorted(new & set(FOREIGN))


def resident():
    """Bytes of memory of this process."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()


def main(folder, *names):
    """Print a line for each file that needs no package but numpy.

    Of `names`, if there are any, witness rows are compared as well.
    """
    folder = Path(folder)
    answers = np.load(folder / "answers.npz")
    rows = {name: answers[name] for name in answers.files}
    for file in sorted(folder.glob("*.skprune")):
        if b"parts.skops" in file.read_bytes() or (names and file.stem not in names):
            continue
        sys.stdout.flush()
        process = os.fork()
        if process == 0:
            try:
                found = started(file, rows[f"{file.stem} rows"][:1], verify=bool(names))
                n_modules, seconds, memory, foreign = found
                print(
                    file.stem,
                    n_modules,
                    f"{1e3 * seconds:.1f}",
                    f"{memory / 1e6:.1f}",
                    *foreign,
                    flush=True,
                )
                os._exit(0)
            finally:
                os._exit(1)
        if os.waitpid(process, 0)[1]:
            raise RuntimeError(f"{file} cannot be loaded and asked.")


if __name__ == "__main__":
    main(*sys.argv[1:])
