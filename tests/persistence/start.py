"""What one start to the first prediction takes over ``import numpy``, file by file.

``python -m tests.persistence.start FOLDER`` prints a line for each file of a folder of
artefacts: modules that are imported, CPU time (ms) and memory (MB). Each file is loaded
five times, in processes that are forked from one that has numpy only. The smallest time is
printed. numpy has one thread, and modules have bytecode, as pip writes it.
"""

import os
import resource
import sys
from ast import literal_eval
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

import numpy as np

FOREIGN = ("joblib", "numba", "pandas", "scipy", "skops", "sklearn", "torch")
N_RUNS = 5


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


def forked(function, *args, **options):
    """What a function returns in a process of its own, as text."""
    receive, send = os.pipe()
    process = os.fork()
    if process == 0:
        try:
            os.write(send, repr(function(*args, **options)).encode())
            os._exit(0)
        finally:
            os._exit(1)
    os.close(send)
    with os.fdopen(receive) as stream:
        text = stream.read()
    if os.waitpid(process, 0)[1]:
        raise RuntimeError(f"{args[0]} cannot be loaded and asked.")
    return text


def main(folder, *names):
    """Print a line for each file that needs no package but numpy, and three for all.

    Of `names`, if there are any, witness rows are compared as well.
    """
    folder, found = Path(folder), []
    answers = np.load(folder / "answers.npz")
    rows = {name: answers[name] for name in answers.files}
    for file in sorted(folder.glob("*.skprune")):
        if b"parts.skops" in file.read_bytes() or (names and file.stem not in names):
            continue
        case, verify = (file, rows[f"{file.stem} rows"][:1]), {"verify": bool(names)}
        forked(started, *case, **verify)  # writes bytecode
        runs = [literal_eval(forked(started, *case, **verify)) for _ in range(N_RUNS)]
        modules, _, memory, foreign = runs[0]
        found.append((modules, 1e3 * min(run[1] for run in runs), memory / 1e6))
        print(file.stem, *texts(found[-1]), *foreign, flush=True)
    if not names:
        for name, reduce in (("least", np.min), ("median", np.median), ("most", np.max)):
            print(f"# {name}", *texts(reduce(found, axis=0)))


def texts(figures):
    modules, milliseconds, megabytes = figures
    return f"{modules:.0f}", f"{milliseconds:.1f}", f"{megabytes:.1f}"


if __name__ == "__main__":
    sys.dont_write_bytecode = False
    with TemporaryDirectory() as sys.pycache_prefix:
        main(*sys.argv[1:])
