"""Tables, picture and targets from what `row_selection.py` has measured."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from row_selection_data import N_DRAWS

KEYS = ["data", "noise", "seed", "keep", "model"]
CELL = ["grid", "data", "noise", "keep", "model", "method"]
PEER = "datapruning"
TITLES = {
    "A": "Grid A: all methods",
    "B": "Grid B: the recommended method, its best rivals and the peer",
    "R": "Grid R: regression",
    "M": "Grid M: all 60,000 rows of MNIST",
}


def load(store, grid):
    """All finished cells of a grid, each with its gain over random rows."""
    frames = []
    for path in sorted((store / grid).glob("*.csv")):
        data, noise, seed, method = path.stem.split("-", 3)
        frame = pd.read_csv(path).assign(data=data, noise=noise, seed=int(seed))
        frames.append(frame.assign(method=method, grid=grid))
    if not frames:
        return None
    long = pd.concat(frames, ignore_index=True)
    random = long[long["method"] == "Random"].set_index(KEYS)["score"].rename("random")
    long = long.join(random, on=KEYS)
    return long.assign(gain=long["score"] - long["random"]).dropna(subset="gain")


def best_methods(store, count):
    """The methods with the largest mean gain in grid A, the recommended one left out."""
    long = load(store, "A")
    if long is None:
        raise SystemExit("Grid B compares the best methods of grid A. Run --grids A first.")
    others = long[~long["method"].str.fullmatch(f"Random|Auto|{PEER}.*")]
    of_data = others.groupby(["method", "data", "noise", "keep"])["gain"].mean()
    return of_data.groupby("method").mean().nlargest(count).index.tolist()


def standard_error(values):
    """Standard error of a mean; NaN for one value."""
    return values.std(ddof=1) / np.sqrt(len(values))


def summarise(long, by):
    """Mean gain and its standard error over (data, seed) means over models."""
    units = long.groupby([*by, "data", "seed"])["gain"].mean()
    return units.groupby(by).agg(["mean", standard_error])


def plus_minus(row):
    """A gain with its standard error, where there is one."""
    if np.isnan(row["mean"]):
        return ""
    error = "" if np.isnan(row["standard_error"]) else f"±{row['standard_error']:.1f}"
    return f"{row['mean']:+.1f}{error}"


def table(frame):
    """A frame as Markdown, index included, missing cells empty."""
    frame = frame.reset_index()
    lines = [[str(name) for name in frame.columns], ["---"] * frame.shape[1]]
    for row in frame.itertuples(index=False):
        lines.append(["" if pd.isna(value) else str(value) for value in row])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def by_budget(long, index):
    """Gains as text: one row for each value of `index`, one column for each budget."""
    cells = summarise(long, [*index, "keep"]).apply(plus_minus, axis=1).unstack("keep")
    return cells.rename(columns="{:.0%}".format).rename_axis(columns=None)


def wins(cells):
    """Wins / ties / losses at half a point."""
    return f"{(cells > 0.5).sum()}/{(cells.abs() <= 0.5).sum()}/{(cells < -0.5).sum()}"


def win_table(long, index):
    """Wins, ties, losses of the (data, model) means over seeds, by budget."""
    cells = long.groupby([*index, "keep", "data", "model"])["gain"].mean()
    counts = cells.groupby([*index, "keep"]).agg(wins).unstack("keep")
    return counts.rename(columns="{:.0%}".format).rename_axis(columns=None)


def methods_table(long):
    """All methods under one noise, best first, with wins and CPU seconds of choosing."""
    means = summarise(long, ["method"])["mean"].sort_values(ascending=False)
    frame = by_budget(long, ["method"]).reindex(means.index)
    frame["win/tie/loss"] = (
        long.groupby(["method", "keep", "data", "model"])["gain"]
        .mean()
        .groupby("method")
        .agg(wins)
    )
    return frame


def grid_text(grid, long):
    """The section of one grid."""
    chosen = long[long["method"] != "Random"]
    auto = chosen[chosen["method"] == "Auto"]
    seeds, sets = long["seed"].nunique(), long["data"].nunique()
    parts = [f"## {TITLES[grid]}\n", f"Data sets: {sets}; seeds: {seeds}.\n"]
    for noise, part in chosen.groupby("noise"):
        parts += [
            f"### Noise {noise}, points over random rows\n",
            table(methods_table(part)),
        ]
    levels = long[long["method"] == "Random"].groupby(["noise", "keep"])["score"].mean()
    levels = levels.unstack("keep").round(1).rename(columns="{:.0%}".format)
    parts += ["### What the random rows reach\n", table(levels.rename_axis(columns=None))]
    if grid != "A" and len(auto):
        parts += ["### AutoSelector by model\n", table(by_budget(auto, ["noise", "model"]))]
        parts += [
            "### AutoSelector by data set\n",
            table(by_budget(auto, ["noise", "data"])),
        ]
        parts += ["### AutoSelector, wins/ties/losses\n", table(win_table(auto, ["noise"]))]
    parts += ["### CPU seconds of choosing, all budgets together\n", table(costs(chosen))]
    return "\n".join(parts)


def costs(long):
    """Median and largest CPU seconds that a method takes for all budgets of a cell."""
    once = long.drop_duplicates(["method", "data", "noise", "seed", "keep"])
    whole = once.groupby(["method", "data", "noise", "seed"])["choose_seconds"].sum()
    frame = whole.groupby("method").agg(["median", "max"]).round(2)
    falls = once.groupby("method")["fallback"].mean()
    frame["its random fallback"] = falls.map(lambda v: f"{v:.0%}" if v else "")
    return frame.sort_values("median")


def check(text, value, wanted, error):
    """One line of the targets."""
    shown = f"{value:+.1f}" + (
        "" if error is None or np.isnan(error) else f" ± {error:.1f}"
    )
    return {"target": text, "measured": shown, "met": "yes" if value >= wanted else "NO"}


def mean_targets(long, what, targets):
    """Targets on the mean over data sets and models: (noise, keeps, points wanted)."""
    auto = long[long["method"] == "Auto"]
    for noise, keeps, wanted in targets:
        part = auto[(auto["noise"] == noise) & auto["keep"].isin(keeps)]
        if len(part):
            units = part.groupby(["data", "seed"])["gain"].mean()
            label = "clean" if noise == "0" else "20 % noise"
            budgets = " and ".join(f"{keep:.0%}" for keep in keeps)
            text = f"{what}, {label}, keep {budgets}: at least {wanted:+d}"
            yield check(text, units.mean(), wanted, standard_error(units))


def worst_set_target(long):
    """No data set loses more than 0.7 points beyond two standard errors on clean labels."""
    auto = long[
        (long["method"] == "Auto") & (long["noise"] == "0") & (long["keep"] >= 0.05)
    ]
    of_seed = auto.groupby(["data", "seed"])["gain"].mean()
    sets = of_seed.groupby("data").agg(["mean", standard_error])
    slack = (sets["mean"] + 2 * sets["standard_error"].fillna(0)).idxmin()
    mean, error = sets.loc[slack, "mean"], sets.loc[slack, "standard_error"]
    text = f"clean, keep 5-70 %, each set above -0.7 less two errors (worst: {slack})"
    yield check(text, mean, -0.7 - 2 * np.nan_to_num(error), error)


def peer_targets(long):
    """AutoSelector is ahead of the peer on each data set, at each budget that both have."""
    keys = [*KEYS, "method"]
    scores = long.set_index(keys)["score"].unstack("method")
    for peer in [name for name in scores if name.startswith(PEER)]:
        ahead = (scores["Auto"] - scores[peer]).dropna()  # in grid A, and B if asked
        for noise in ("0", "0.2"):
            for keep in (0.1, 0.5):
                part = ahead[
                    (ahead.index.get_level_values("noise") == noise)
                    & (ahead.index.get_level_values("keep") == keep)
                ]
                if part.empty:
                    continue
                of_seed = part.groupby(["data", "seed"]).mean()
                sets = of_seed.groupby("data").agg(["mean", standard_error])
                worst = sets["mean"].idxmin()
                text = (
                    f"ahead of {peer}, noise {noise}, keep {keep:.0%}: "
                    f"{(sets['mean'] > 0).sum()} of {len(sets)} sets, least: {worst}"
                )
                least = sets.loc[worst, "mean"]
                yield check(text, least, 1e-9, sets.loc[worst, "standard_error"])


def targets(grids):
    """All targets whose grid has been measured."""
    wanted = [("0", [0.01], 5), ("0", [0.1], 3), ("0", [0.5], 1), ("0", [0.7], 0)]
    noisy = [("0.2", [0.1], 10), ("0.2", [0.5], 5)]
    rows = []
    if "B" in grids:
        rows += mean_targets(grids["B"], "classification", wanted + noisy)
        rows += worst_set_target(grids["B"])
        rows += peer_targets(pd.concat([grids["A"], grids["B"]]))
    if "R" in grids:
        clean = [("0", [keep], 3) for keep in (0.05, 0.1, 0.2, 0.3)]
        rows += mean_targets(grids["R"], "regression", [*clean, ("0.2", [0.3], 8)])
    return pd.DataFrame(rows)


def draw(long, path):
    """The gain over random rows against the budget, clean and with wrong labels."""
    figure, panels = plt.subplots(1, 2, figsize=(12, 4), sharey=True, layout="constrained")
    for panel, (noise, title) in zip(
        panels, {"0": "clean labels", "0.2": "20 % wrong labels"}.items(), strict=True
    ):
        part = long[(long["noise"] == noise) & (long["method"] != "Random")]
        for method, lines in summarise(part, ["method", "keep"]).groupby("method"):
            keep, mean = lines.index.get_level_values("keep"), lines["mean"]
            style = {"color": "black", "linewidth": 2} if method == "Auto" else {}
            (line,) = panel.plot(keep, mean, marker=".", label=method, **style)
            error = lines["standard_error"]
            panel.fill_between(
                keep, mean - error, mean + error, color=line.get_color(), alpha=0.15
            )
        panel.axhline(0, color="grey", linestyle=":", label="random rows")
        panel.set(xscale="log", xlabel="share of rows kept", title=title)
        ticks = sorted(long["keep"].unique())
        panel.set_xticks(ticks, [f"{tick:.0%}" for tick in ticks], fontsize="small")
        panel.minorticks_off()
    panels[0].set_ylabel("points of accuracy over random rows")
    figure.legend(*panels[1].get_legend_handles_labels(), loc="outside right upper")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def write_cells(grids, path):
    """Each cell with its standard error over seeds."""
    long = pd.concat(grids.values())
    long = long[long["method"] != "Random"]
    cells = long.groupby(CELL)["gain"].agg(["mean", standard_error, "count"]).round(2)
    cells.columns = ["gain", "se", "seeds"]
    cells.to_csv(path)


HEAD = """# Row selection, measured

Output of `examples/benchmarks/row_selection.py`. Points (accuracy in per cent on clean
test labels; for regression 100 R2, not below -50) of models trained on chosen rows, less
those of the same models on stratified random rows of the same number (mean of 2 draws;
regression: not stratified): same split, same wrong labels, same budget. Classification:
800 training rows (vehicle 592, german 700), up to 2,000 for testing; regression: 500
(diabetes 309); features standardised; mnist is its first 50 principal components. Noise:
share of flipped training labels; "asym": even classes become the next one with
probability 0.3; regression: targets shuffled among that share of rows. Mean ± standard
error over (data set x seed) means over models. Wins, ties and losses count (data set,
model) means over seeds, a tie being within half a point. Every selector has its default
settings. Each cell by model and data set, with its standard error over seeds, is in
[row_selection.csv](row_selection.csv).

`datapruning` is that package (2.2) as its README says to use it; `datapruning-report` first
removes the rows that its mislabel report flags. Both are asked for 10 and 50 % only (on
60,000 rows for 10 %), and their place in the tables counts those alone. Its README asks for
1,000 rows or more; it runs on fewer. Where its own check finds no gain, it returns random
rows, not drawn by class: the share of these cases stands beside its seconds. Grid B has
seeds of its own, so that the methods chosen by grid A are measured on splits that did not
choose them.

![Gain over random rows against the share kept](../images/row_selection.png)
"""


def write_report(store, docs):
    """Write the tables, the picture and the table of cells from what is finished."""
    grids = {grid: load(store, grid) for grid in TITLES}
    grids = {grid: long for grid, long in grids.items() if long is not None}
    if not grids:
        return
    target = docs / "benchmarks" / "row_selection.md"
    target.parent.mkdir(parents=True, exist_ok=True)
    parts = [HEAD, *(grid_text(grid, long) for grid, long in grids.items())]
    checks = targets(grids)
    if len(checks):
        parts += ["## Targets\n", table(checks.set_index("target"))]
    target.write_text("\n".join(parts))
    write_cells(grids, target.with_suffix(".csv"))
    if "B" in grids:
        draw(grids["B"], docs / "images" / "row_selection.png")
    hours = sum(spent_seconds(long) for long in grids.values()) / 3600
    print(f"{target}: {hours:.2f} CPU hours of choosing and fitting")


def spent_seconds(long):
    """CPU seconds that went into a grid."""
    draws = np.where(long["method"] == "Random", N_DRAWS, 1)
    once = ~long.duplicated(["method", "data", "noise", "seed", "keep"])
    return (draws * (long["fit_seconds"] + once * long["choose_seconds"])).sum()
