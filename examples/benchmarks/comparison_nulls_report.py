"""Write the rates of wrong verdicts as a csv and as a page to read."""

import csv

FIELDS = (
    "models",
    "n",
    "correlation",
    "learner",
    "layout",
    "quantity",
    "value",
    "standard_error",
    "draws",
)
HEAD = """# Wrong verdicts, measured

How often the verdicts of `compare_pruning` are wrong where the truth is known, and how
often the usual alternatives are: output of `examples/benchmarks/comparison_nulls.py`,
{draws:,} data sets a line, each drawn afresh. All figures are per cent of data sets ±
Monte-Carlo standard error, unless they say points. Everything stands in
[comparison_nulls.csv](comparison_nulls.csv).

Lowest and highest rate over all lines of a learner. Bold: outside its target, and the line
of the highest; below 4 is the safe side.

{verdicts}
- *Plain t*: the paired t-test over all folds of all repeats, variance s²/J.
- *Corrected t*: what the library uses, variance s² (1/J + test rows / training rows)
  (Nadeau & Bengio 2003; Bouckaert & Frank 2004); with groups, groups are counted.
- *Chains*: the library's rule for several variants. Each chain of variants is tested in
  the order of its sizes, set beforehand, at 5 % / number of chains, and stops at the first
  that is not "not worse". A draw is wrong if any truly worse variant passes anywhere:
  only then can the smallest that passes be a wrong pick.
- *True / corrected sd*: standard deviation of the mean difference over data sets, divided
  by the root mean square of its corrected standard error. Below 1 the test is on the safe
  side and costs power; for the plain t it is about 2 to 4 where folds are repeated.

## Where it misses, and why

The corrected variance is an approximation: one cross-validation has no unbiased estimate of
its own variance (Bengio & Grandvalet 2004). It supposes that what folds have in common is
the share of test rows. For few folds (1x5, 1x10) and linear models this is mostly more
than need be: such rates are below nominal, the safe side. The rates are too high in three
cases:

- *Nearest neighbours*, whatever the layout of repeated folds, except 5x2. One reason: two
  rows that are each other's nearest neighbour are right or wrong together, across folds
  too, which the scores of folds do not show.
- *Ten repeats of ten folds of a small tree*, and, by little, *a linear classifier on
  correlated groups* in GroupShuffleSplit: true / corrected sd is above 1.
- *A small real loss of R2.* Here the variance is right, even large, but in data sets where
  the loss comes out small, so does its standard error (their correlation is in the csv:
  -0.3 to -0.8): the variant passes too often, and more chains look further into that tail.
  For accuracy the same correlation is outweighed by a standard error that is too large.

More repeats make these worse, not better. Larger test sets help, at the price of training
on half of the rows: with 5x2 (of rows; not tried on groups),

{halves}
"""
EQUAL = """## Two equal models

Ten independent columns of equal weight (0.5) and unit noise; one model sees the first
five, the other the last five. No model is better, so that each p below 0.05 (two-sided) is
a false alarm; nominal 5. Classes are the sign of the target. Stratified: by class.
"""
GROUPS = """### Groups

40 groups of one to ten rows, 200 rows in all; of every column and of the noise, the share
`correlation` of the variance is common to a group.
"""
WORSE = """## Variants that are worse by exactly the margin

At the boundary every "not worse" is an error; one-sided, nominal 5. *One*: a single
variant, the mean over all 16, which have equal roles. *Any of 8*: at least one of eight
passes, no order, no correction. *Within one SD*: the rule of scikit-learn's example for
`GridSearchCV(refit=...)`, mean score at least that of the best less one standard deviation
over its folds; among the baseline and eight variants. *k chains*: of four variants each,
all of them worse, the worst case. *Certifiable margin*: the median of what the corrected
t could certify for a variant that is as good as the baseline (for one column less: for the
variant as it is).
"""
SHIFTED = """### A constant loss

All models see two common columns (weight 0.7) and one of 17 others (0.5) of their own; a
margin of 2 points is taken off the scores of the variants.
"""
DROPPED = """### A real loss: one column less

The baseline sees 16 columns of equal weight (0.3), each variant 15 of them. The margin is
the true loss of such a variant at the size of the training folds, taken as the mean over
all draws and variants.
"""
FOOT = """## Run it again

`python examples/benchmarks/comparison_nulls.py --draws {draws}`: one process,
{minutes:.0f} CPU minutes. Seeds are fixed, so that the figures come out the same. The
splits are made by scikit-learn's splitters, a new set for every 50 data sets; the learners
are compiled; on some draws of each cell the formulas of arrays used here are checked
against `corrected_posterior`, `verdict` and `fixed_sequence`.
"""
COLUMNS = {
    "plain t, one, %": "plain t, one",
    "within one SD, one, %": "within one SD, one",
    "within one SD, any of 8, %": "within one SD, any of 8",
    "corrected t, one, %": "corrected t, one",
    "corrected t, any of 8, %": "corrected t, any of 8",
    "chains 1, %": "1 chain",
    "chains 2, %": "2 chains",
    "chains 3, %": "3 chains",
    "chains 4, %": "4 chains",
    "certifiable margin, points": "certifiable margin, points",
}


def cell(found, quantity):
    """A value with its error, or nothing."""
    if quantity not in found:
        return ""
    row = found[quantity]
    if quantity.endswith("%"):
        return f"{row['value']:.1f} ± {row['standard_error']:.1f}"
    return f"{row['value']:.2f}" if "deviation" in quantity else f"{row['value']:.2g}"


def table(head, lines):
    marks = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in marks) + "\n"


def grouped(rows, *names):
    """Rows by some of their fields, each a mapping of quantities to rows."""
    found = {}
    for row in rows:
        key = tuple(row[name] for name in names)
        found.setdefault(key, {})[row["quantity"]] = row
    return found


def equal_table(rows, across):
    """Plain beside corrected t, one block of columns for each n or correlation."""
    found = grouped(rows, "learner", "layout", across)
    blocks = list(dict.fromkeys(row[across] for row in rows))
    quantities = {
        "plain t": "plain t, %",
        "corrected t": "corrected t, %",
        "true / corrected sd": "true / corrected standard deviation",
    }
    lines = [
        [
            *key,
            *(
                cell(found.get((*key, block), {}), quantity)
                for block in blocks
                for quantity in quantities.values()
            ),
        ]
        for key in dict.fromkeys(key[:-1] for key in found)
    ]
    head = [f"{across} = {block:g}: {name}" for block in blocks for name in quantities]
    return table(["learner, score", "layout", *head], lines)


def worse_table(rows, margin):
    columns = dict(COLUMNS)
    if margin:
        columns["margin, points"] = "margin, points"
    lines = [
        [*key, *(cell(found, quantity) for quantity in columns)]
        for key, found in grouped(rows, "learner", "layout").items()
    ]
    return table(["learner, score", "layout", *columns.values()], lines)


CLAIMS = (  # claim, quantity, layouts, bounds
    (
        "corrected t, two equal models, 10x5 and 10x10",
        "corrected t, %",
        ("10x5", "10x10"),
        (4, 6),
    ),
    ("the same, every layout, size and grouping", "corrected t, %", None, (0, 6)),
    ("corrected t, a variant that is worse passes", "corrected t, one, %", None, (0, 6)),
    ("1 to 4 chains, any variant that is worse passes", "chains ", None, (0, 6)),
    ("*the plain t, two equal models*", "plain t, %", None, None),
    ("*within one SD, a variant that is worse*", "within one SD, one, %", None, None),
    ("*no order, any of 8 that are worse*", "corrected t, any of 8, %", None, None),
)


def extremes(rows, bounds):
    """The lowest and highest rate, where the latter is, and whether it misses."""
    if not rows:
        return ""
    low = min(row["value"] for row in rows)
    worst = max(rows, key=lambda row: row["value"])
    text = f"{low:.1f} to {worst['value']:.1f}"
    if bounds is None:
        return text
    if low >= bounds[0] and worst["value"] <= bounds[1]:
        return text
    groups = "" if worst["correlation"] is None else f", {worst['correlation']:g}"
    return f"**{text}** ({worst['layout']}{groups}, n = {worst['n']})"


def verdicts(rows):
    """Whether the rates are what they should be, learner by learner."""
    learners = list(dict.fromkeys(row["learner"] for row in rows))
    lines = []
    for claim, quantity, layouts, bounds in CLAIMS:
        chosen = [
            row
            for row in rows
            if row["quantity"].startswith(quantity)
            and not row["quantity"].endswith("at 2.5, %")
            and (layouts is None or row["layout"] in layouts)
        ]
        target = "" if bounds is None else f"{bounds[0]} to {bounds[1]}"
        found = [
            extremes([row for row in chosen if row["learner"] == learner], bounds)
            for learner in learners
        ]
        lines.append([claim, target, *found])
    return table(["", "target", *learners], lines)


def at_halves(rows):
    """The highest rates where half of the rows are for testing."""
    found = [row for row in rows if row["layout"] == "5x2"]

    def most(*quantities):
        return max(row["value"] for row in found if row["quantity"] in quantities)

    chains = most(*(f"chains {n}, %" for n in (1, 2, 3, 4)))
    return (
        f"- two equal models are called different in at most "
        f"{most('corrected t, %'):.1f} per cent;\n"
        f"- a variant that is worse passes in any of 1 to 4 chains in at most {chains:.1f},"
        f"\n  and in any of 4 chains at alpha = 0.025 in at most "
        f"{most('chains 4, at 2.5, %'):.1f}."
    )


def page(rows, draws, seconds):
    """The page in markdown."""

    def chosen(models, groups):
        return [
            row
            for row in rows
            if row["models"] == models and (row["correlation"] is not None) == groups
        ]

    head = HEAD.format(draws=draws, verdicts=verdicts(rows), halves=at_halves(rows))
    parts = [head, EQUAL]
    parts += [equal_table(chosen("equal", False), "n")]
    parts += [GROUPS, equal_table(chosen("equal", True), "correlation")]
    parts += [WORSE, SHIFTED, worse_table(chosen("shifted", False), False)]
    parts += ["The same with groups, correlation 0.5:\n"]
    parts += [worse_table(chosen("shifted", True), False)]
    parts += [DROPPED, worse_table(chosen("one column less", False), True)]
    parts += [FOOT.format(draws=draws, minutes=seconds / 60)]
    return "\n".join(parts)


def write_report(out, rows, draws, seconds):
    """Write comparison_nulls.csv and .md into a folder; print the latter."""
    rows = [dict(zip(FIELDS, row, strict=True)) for row in rows]
    with (out / "comparison_nulls.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, FIELDS, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            value, error = f"{row['value']:.6g}", f"{row['standard_error']:.4g}"
            writer.writerow(row | {"value": value, "standard_error": error})
    text = page(rows, draws, seconds)
    (out / "comparison_nulls.md").write_text(text)
    print(text)
