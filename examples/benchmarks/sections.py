"""Measure the sections of a benchmark, each finished cell once."""

import csv
import os
import sys
import traceback
from io import StringIO

FIELDS = ("data", "seed", "variant", "quantity", "value")


def finished(path):
    """The cells that a file holds."""
    if not path.exists():
        return set()
    with path.open(newline="") as stream:
        return {
            (row["data"], int(row["seed"]))
            for row in csv.DictReader(stream)
            if row["quantity"] == "cell seconds"
        }


def add(path, rows):
    """Add the rows of one cell to a file, in one write."""
    lines = StringIO()
    csv.writer(lines).writerows(rows if path.exists() else [FIELDS, *rows])
    with path.open("a", newline="") as stream:
        stream.write(lines.getvalue())


def run(name, section, args):
    """Measure the unfinished cells of one section; say what went wrong, if anything did."""
    path = args.store / f"{name}.csv"
    done = finished(path)
    for seed in range(args.seeds):  # outermost: a run that is stopped has whole seeds
        for data in section.sets:
            if (data, seed) in done or (args.sets and data not in args.sets):
                continue
            start = sum(os.times()[:4])  # children too
            try:
                found = [
                    (data, seed, variant, quantity, float(value))
                    for variant, quantity, value in section.measure(data, seed)
                ]
            except Exception:
                print(f"{name}, {data}, seed {seed}:", file=sys.stderr)
                traceback.print_exc()
                continue
            seconds = sum(os.times()[:4]) - start
            add(path, [*found, (data, seed, "", "cell seconds", seconds)])
            print(f"{name}, {data}, seed {seed}: {seconds:.1f} s", flush=True)
