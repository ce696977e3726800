"""What compare_pruning adds to the fits: bookkeeping and timing of predictions.

The comparisons of ``examples/plot_compare_digits.py``, one fit at a time. Beside them, as
the control, a plain loop that fits and scores clones with the same seeds on the same folds
and keeps nothing else.

Run it with ``python examples/benchmarks/comparison_overhead.py --out docs/benchmarks``.
"""

import argparse
import importlib.util
import warnings
from pathlib import Path
from time import process_time

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from sklearn_prune.comparison.run.isolation import seeded
from sklearn_prune.comparison.run.plan import COST_NAMES

COSTS = tuple(cost for cost in COST_NAMES if cost != "seed_churn")  # one more fit
EXAMPLE = Path(__file__).parents[1] / "plot_compare_digits.py"


def load_example():
    spec = importlib.util.spec_from_file_location("plot_compare_digits", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def plain_loop(comparison, X, y):
    """Fit and score all variants on all folds; return CPU seconds and mean scores."""
    started, scores = process_time(), {}
    plan = comparison._plan
    with threadpool_limits(1):
        for split in plan.splits:
            for name, estimator in plan.estimators.items():
                model = seeded(estimator, split.seed).fit(X[split.train], y[split.train])
                score = model.score(X[split.test], y[split.test])
                scores.setdefault(name, []).append(score)
    return process_time() - started, {name: np.mean(own) for name, own in scores.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="folder for comparison_overhead.md")
    parser.add_argument("--repeats", type=int, default=1, help="repetitions of 5 folds")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    example, rows = load_example(), []
    X, y = load_digits(return_X_y=True)
    example.compare(example.MODELS["SVC"], X[:300], y[:300], n_repeats=1)  # compiles
    for name, model in example.MODELS.items():
        started = process_time()
        comparison = example.compare(model, X, y, n_repeats=arguments.repeats, costs=COSTS)
        whole = process_time() - started
        plain, scores = plain_loop(comparison, X, y)
        found = comparison.summary()[comparison.scorers[0]]
        seconds = comparison.seconds
        fits = seconds["fit"] + seconds["score"]
        rows.append(
            {
                "model": name,
                "fits s": fits,
                "bookkeeping %": 100 * seconds["bookkeeping"] / fits,
                "timing of predictions %": 100 * seconds["latency"] / fits,
                "CPU s": whole,
                "plain loop, CPU s": plain,
                "ratio": whole / plain,
                "same scores": all(found[one] == score for one, score in scores.items()),
            }
        )
        print(pd.DataFrame(rows[-1:]).to_string(index=False), flush=True)
    frame = pd.DataFrame(rows)
    fits, plain = frame["fits s"], frame["plain loop, CPU s"]
    total = {
        "model": "all",
        "fits s": fits.sum(),
        "bookkeeping %": np.average(frame["bookkeeping %"], weights=fits),
        "timing of predictions %": np.average(
            frame["timing of predictions %"], weights=fits
        ),
        "CPU s": frame["CPU s"].sum(),
        "plain loop, CPU s": plain.sum(),
        "ratio": frame["CPU s"].sum() / plain.sum(),
        "same scores": frame["same scores"].all(),
    }
    frame = pd.concat([frame, pd.DataFrame([total])], ignore_index=True)
    table = as_table(frame)
    print(table)
    if arguments.out:
        text = TEXT.format(table=table, repeats=arguments.repeats)
        (arguments.out / "comparison_overhead.md").write_text(text, encoding="utf-8")


def as_table(frame):
    """The frame in markdown."""
    lines = ["| " + " | ".join(frame.columns) + " |", "|" + " --- |" * len(frame.columns)]
    for row in frame.itertuples(index=False):
        cells = [f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in row]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


TEXT = """# What a comparison costs beyond its fits

The main example (`examples/plot_compare_digits.py`: four models, each on all rows and with
four selectors at three sizes), {repeats} x 5 folds, one fit at a time.

- *fits*: seconds in `fit` and in the scorers, controls included: the random control of all
  selectors is the random selector itself. `seed_churn`, one more fit on the first fold, was
  not asked for.
- *bookkeeping*: everything else but the next, in per cent of the fits: seeds, hashes,
  bytes, what was kept, checks.
- *timing of predictions*: one row and 1,000 rows, the models of the first fold in turns; it
  stops after a hundredth of the time of the fits each.
- *plain loop*: a loop that fits and scores the same clones on the same folds and keeps
  nothing else, in the same run; *ratio*: CPU time of the comparison over that of the loop.

{table}

`python examples/benchmarks/comparison_overhead.py --out docs/benchmarks`
"""


if __name__ == "__main__":
    main()
