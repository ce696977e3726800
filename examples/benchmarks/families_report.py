"""Targets and tables from what `families.py` has measured."""

from textwrap import fill

import pandas as pd
from row_selection_report import table

HEAD = """# Families, measured

Output of `examples/benchmarks/families.py`: pruned models beside the fitted models that
they come from, each ratio taken in one run. Points: accuracy in per cent, or 100 R2, on
test rows, less those of the full model. Splits are 70/30, by class, drawn anew for each
seed; test rows are asked once of each fitted model, and nothing is chosen on them. At
most 3,000 test rows. One thread. Ratios say how many times smaller or faster the pruned
model is: *live* is the peer's pickle over the bytes of all arrays that the compact form
holds in memory, *pickle* and *lzma* the peer's pickle over the compact form's, the latter
compressed; the time of a call is the whole `predict` with its checks, CPU time, the
smallest of seven rounds in which both take turns. Mean ± standard deviation over seeds;
"worst" is the data set farthest from the target. Models have scikit-learn's defaults
where nothing is said. Means and deviations of everything stand in
[families.csv](families.csv).
"""


def load(store, names):
    """The raw rows of each section that has any."""
    kept = {"variant": str, "data": str, "quantity": str}
    frames = {}
    for name in names:
        path = store / f"{name}.csv"
        if path.exists():
            frame = pd.read_csv(path, dtype=kept, keep_default_na=False)
            frame["value"] = pd.to_numeric(frame["value"], errors="coerce")
            frames[name] = frame.sort_values(["data", "seed"], kind="stable")
    return frames


def write_report(sections, store, page, head):
    """Write the page, and beside it the table of all means."""
    frames = load(store, sections)
    if not frames:
        return
    targets = pd.DataFrame(
        [
            {
                "section": name,
                "target": target.text,
                "reached": target.reached,
                "verdict": {True: "met", False: "MISSED", None: ""}[target.met],
            }
            for name, frame in frames.items()
            for target in sections[name].targets(frame)
        ]
    )
    seeds = max(frame["seed"].nunique() for frame in frames.values())
    missed = (targets["verdict"] == "MISSED").sum()
    parts = [
        head,
        f"## Targets\n\n{seeds} seeds; {len(targets)} lines, {missed} missed.\n",
        table(targets.set_index("section")),
    ]
    for name, frame in frames.items():
        section = sections[name]
        parts.append(
            f"## {section.title}\n\n{fill(section.text, 90, break_on_hyphens=False)}\n"
        )
        for caption, found in section.tables(frame):
            if len(found):
                parts += [f"**{caption}**\n", table(found)]
        seconds = frame.loc[frame["quantity"] == "cell seconds", "value"].sum()
        parts.append(f"{seconds / 60:.1f} CPU minutes for this section.\n")
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("\n".join(parts).rstrip() + "\n")
    everything = pd.concat(frame.assign(section=name) for name, frame in frames.items())
    keys = ["section", "data", "variant", "quantity"]
    means = everything.groupby(keys, sort=False)["value"].agg(["mean", "std", "count"])
    means.to_csv(page.with_suffix(".csv"), float_format="%.5g")
