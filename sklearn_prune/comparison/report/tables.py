"""The tables of a report; every text of the user's is escaped here."""

import math
from html import escape

import numpy as np

from sklearn_prune.comparison.displays import (
    UNKNOWN,
    human_measure,
    human_number,
    mean_of,
    shorten,
)
from sklearn_prune.comparison.report.words import (
    SIGNS,
    difference_and_interval,
    percent,
    ratio_text,
    rounded_up,
)

_COSTS = {
    "nbytes": "saved size",
    "n_params": "parameters",
    "n_samples": "rows",
    "fit_time": "fit time",
    "predict_latency": "predict 1&nbsp;row",
}
_CHANGES = {
    "churn": "changed predictions<small>from the baseline</small>",
    "seed_churn": "changed predictions<small>with another seed, first split</small>",
}
_FEATURES_SHOWN = 20
_VARIANTS_SHOWN = 8
_NAMED_UNITS = ("feature", "input")
_SAME_IN_EVERY_FOLD = ("row", "feature", "input", "coefficient")


def safe(text, width=None):
    """Escape a text; cut it to a width, and show control characters as a sign."""
    return escape(shorten(text, width or 10_000))


def named(name, width=160):
    """A name of the user's, whose writing direction stays its own."""
    return f"<bdi>{safe(name, width)}</bdi>"


def table(head, rows, *, caption=None):
    """Return a table of finished cells.

    Parameters
    ----------
    head : list of str
        HTML of the column heads.
    rows : list of (str, list of str)
        Class of a row, and its cells as HTML, tags and all.
    caption : str or None
        HTML above the table.

    Returns
    -------
    str
        A ``<table>`` in a box that scrolls.
    """
    title = f'<p class="caption">{caption}</p>' if caption else ""
    columns = "".join(f'<th scope="col">{html}</th>' for html in head)
    lines = [f"<thead><tr>{columns}</tr></thead><tbody>"]
    for kind, cells in rows:
        of_kind = f' class="{kind}"' if kind else ""
        lines.append(f"<tr{of_kind}>{''.join(cells)}</tr>")
    return (
        f'{title}<div class="scroll"><table>' + "\n".join(lines) + "</tbody></table></div>"
    )


def left(html):
    """The head of a column of texts."""
    return f'<span class="left">{html}</span>'


def head_cell(html):
    """The cell that names a row."""
    return f'<th scope="row">{html}</th>'


def cell(html, below=None):
    """A cell, with a smaller line below."""
    small = f"<small>{below}</small>" if below else ""
    return f"<td>{html}{small}</td>"


def text_cell(text, *, code=False):
    """A cell with a text of any length."""
    shown = f"<code>{safe(text, 400)}</code>" if code else safe(text)
    return f'<td class="text">{shown}</td>'


def verdict_cell(verdict, margin=math.nan):
    """A verdict as a word with its sign, so that it reads without colours."""
    sign = SIGNS.get(verdict, "")
    below = ""
    if math.isfinite(margin):
        held = f"margin ≥ {rounded_up(margin)}" if margin > 0 else "any margin"
        below = f"<small>{held}</small>"
    return (
        f'<td class="verdict-word v-{escape(verdict.replace(" ", "-"))}">'
        f'<span class="sign" aria-hidden="true">{sign}</span> {escape(verdict)}{below}</td>'
    )


def variants_table(comparison, means, verdicts, picked=None, *, short=False):
    """The table of all variants by the primary score."""
    scorer, base = comparison.scorers[0], comparison.baseline
    roles = set(means.index.get_level_values("role"))
    controls = [role for role in ("random", "small") if role in roles and not short]
    controls = [role for role in controls if _any_score(means, role, scorer)]
    costs = [name for name in _COSTS if name in means.columns]
    costs = [name for name in costs if not short or name in ("nbytes", "predict_latency")]
    head = ["variant", safe(scorer, 40)]
    if controls:
        below = "<small>and small</small>" if len(controls) > 1 else ""
        head.append(f"{controls[0]}{below}")
    head.append(f"difference<small>{percent(1 - comparison.alpha)} interval</small>")
    if not short:
        head.append("P(not worse)")
    head.append(left("verdict"))
    head += [_COSTS[name] for name in costs]
    rows = []
    for name in comparison.variants:
        role = "baseline" if name == base else "variant"
        own = mean_of(means, name, role, scorer)
        cells = [head_cell(named(name)), cell(score_text(own))]
        if controls:
            of = [score_text(mean_of(means, name, each, scorer)) for each in controls]
            cells.append(cell(*of) if name != base else cell(UNKNOWN))
        cells += _difference_cells(name, base, verdicts, short)
        for cost in costs:
            value = mean_of(means, name, role, cost)
            whole = mean_of(means, base, "baseline", cost)
            cells.append(_cost_cell(cost, value, whole, name == base))
        kind = "baseline" if name == base else "picked" if name == picked else ""
        rows.append((kind, cells))
    return table(head, rows)


def _any_score(means, role, scorer):
    return bool(np.isfinite(means.xs(role, level="role")[scorer].astype(float)).any())


def _difference_cells(name, base, verdicts, short):
    unknown = [cell(UNKNOWN)] * (1 if short else 2)
    if name == base or name not in verdicts.index:
        return [*unknown, verdict_cell("baseline" if name == base else "failed")]
    row = verdicts.loc[name]
    cells = [cell(*difference_and_interval(row))]
    if not short:
        cells.append(cell(probability(row["p_not_worse"])))
    tested = row["verdict"] != "not tested"
    margin = row["certifiable_margin"] if tested else math.nan
    return [*cells, verdict_cell(row["verdict"], margin)]


def score_text(value):
    """A score, with as many decimals as its neighbours in the column."""
    if not math.isfinite(value) or abs(value) >= 100:
        return human_number(value, 5)
    return f"{value:.4f}".replace("-", "\N{MINUS SIGN}")


def probability(value):
    """A probability that never reads as certain."""
    if not math.isfinite(value):
        return UNKNOWN
    if value > 0.999:
        return "&gt; 0.999"
    return "&lt; 0.001" if value < 0.001 else f"{value:.3f}"


def _cost_cell(cost, value, baseline, is_baseline):
    below = None
    if not is_baseline:
        found = ratio_text(cost, value, baseline, sign="\N{MULTIPLICATION SIGN}")
        below = (
            "same"
            if found == ""
            else found and found.replace(" times", "\N{MULTIPLICATION SIGN}")
        )
    return cell(escape(human_measure(cost, value)), below)


def other_scores_table(comparison, means, scorer):
    """A short table for a score that is not the primary one."""
    verdicts, base = comparison.verdicts(scorer), comparison.baseline
    head = [
        "variant",
        safe(scorer, 40),
        f"difference<small>{percent(1 - comparison.alpha)} interval</small>",
        "P(not worse)",
        left("verdict"),
    ]
    rows = []
    for name in comparison.variants:
        role = "baseline" if name == base else "variant"
        score = score_text(mean_of(means, name, role, scorer))
        cells = [head_cell(named(name)), cell(score)]
        cells += _difference_cells(name, base, verdicts, short=False)
        rows.append((role if role == "baseline" else "", cells))
    margin = human_number(comparison.margins.get(scorer, math.nan))
    caption = f"{safe(scorer, 80)}, margin {margin}"
    return table(head, rows, caption=caption)


def kept_tables(comparison):
    """What was kept: shares of features, counts of other units; a list of HTML."""
    found, counts = {}, []
    for variant in comparison.variants:
        kept = comparison.kept(variant)
        for unit, part in kept.groupby("unit", sort=False) if len(kept) else ():
            if unit in _NAMED_UNITS:
                found.setdefault(unit, {})[variant] = part.set_index("id")
            counts.append(_count_row(variant, unit, part["frequency"]))
    html = []
    if counts:
        head = [
            "variant",
            left("unit"),
            "number",
            "kept in every fold",
            "in some",
            "in none",
        ]
        html.append(table(head, counts))
    for unit, by_variant in found.items():
        html.append(_frequency_table(unit, by_variant))
    return html


def _count_row(variant, unit, frequency):
    numbers = [f"{len(frequency):,}", UNKNOWN, UNKNOWN, UNKNOWN]
    if unit in _SAME_IN_EVERY_FOLD:
        always, never = (frequency == 1).sum(), (frequency == 0).sum()
        some = len(frequency) - always - never
        numbers[1:] = [f"{number:,}" for number in (always, some, never)]
    return "", [head_cell(named(variant)), text_cell(unit), *map(cell, numbers)]


def _frequency_table(unit, by_variant):
    import pandas as pd

    shown = list(by_variant)[:_VARIANTS_SHOWN]
    shares = pd.DataFrame({name: by_variant[name]["frequency"] for name in shown})
    names = pd.concat([by_variant[name]["name"] for name in shown])
    names = names[~names.index.duplicated()]
    order = shares.mean(axis=1).sort_values(ascending=False, kind="stable").index
    rows = []
    for number in order[:_FEATURES_SHOWN]:
        name = names.get(number)
        # A column without a name is known by its number.
        name = f"x{number}" if name in (None, str(number)) else name
        cells = [head_cell(named(name, 60))]
        cells += [_bar(shares.loc[number, variant]) for variant in shown]
        rows.append(("", cells))
    caption = f"Share of the folds that kept each {escape(unit)}"
    if len(order) > _FEATURES_SHOWN:
        caption += f": the {_FEATURES_SHOWN} kept most often, of {len(order):,}"
    if len(by_variant) > len(shown):
        caption += f" (the first {len(shown)} of {len(by_variant)} variants)"
    return table(
        [escape(unit), *(named(name, 40) for name in shown)], rows, caption=caption
    )


def _bar(share, below=None):
    if not np.isfinite(share):
        return cell(UNKNOWN, below)
    small = f"<small>{below}</small>" if below else ""
    width = f"calc((100% - 5.2rem) * {share:.3f})"
    return f'<td class="bar"><span style="width:{width}"></span>{share:.0%}{small}</td>'


def classes_table(comparison):
    """Rows kept of each class, or None where no rows were dropped."""
    by_variant = {}
    for variant in comparison.variants:
        part = comparison.kept_by_class(variant)
        if len(part):
            by_variant[variant] = part.set_index("class")
    if not by_variant:
        return None
    shown = list(by_variant)[:_VARIANTS_SHOWN]
    classes = list(dict.fromkeys(c for name in shown for c in by_variant[name].index))
    if len(classes) > 40:
        share = by_variant[shown[-1]]
        share = (share["kept"] / share["seen"]).sort_values(kind="stable")
        classes = list(share.index[:40])
    rows = []
    for value in classes:
        cells = [head_cell(named(value, 60))]
        for name in shown:
            part = by_variant[name]
            if value not in part.index:
                cells.append(cell(UNKNOWN))
                continue
            seen, kept = part.loc[value, ["seen", "kept"]]
            of = f"{human_number(kept)} of {human_number(seen)}"
            share = kept / seen if seen else math.nan
            cells.append(_bar(share, of))
        rows.append(("", cells))
    caption = "Rows kept of each class (means over the folds)"
    if len(classes) == 40:
        caption += f": the {len(classes)} classes that lost most"
    return table(["class", *(named(name, 40) for name in shown)], rows, caption=caption)


def stability_table(comparison, means):
    """Agreement of folds and seeds on what is kept and predicted, or None."""
    frame = comparison.stability()
    frame = frame[np.isfinite(frame["stability"].astype(float))]
    units = dict(frame.groupby("variant", sort=False).__iter__()) if len(frame) else {}
    changes = [name for name in _CHANGES if name in means.columns]
    rows = []
    for variant in comparison.variants:
        if variant == comparison.baseline:
            continue
        changed = [_change(comparison, means, variant, name) for name in changes]
        own = units.get(variant, frame[:0])
        kept = [
            cell(f"{human_number(row['stability'], 2)} ({escape(str(unit))})", _range(row))
            for (_, unit), row in own.iterrows()
        ] or [cell(UNKNOWN)]
        rows += [("", [head_cell(named(variant)), one, *changed]) for one in kept]
    if not rows or not (len(frame) or changes):
        return None
    caption = (
        "Agreement. Stability: 1 where all folds keep the same, 0 where they agree as by "
        "chance. Changed predictions: "
        + ("share of other labels" if comparison.task != "regression" else "mean distance")
        + ", against the baseline and against the same variant with another seed."
    )
    head = ["variant", "stability<small>95 % interval</small>"]
    return table([*head, *(_CHANGES[name] for name in changes)], rows, caption=caption)


def _change(comparison, means, variant, name):
    value = mean_of(means, variant, "variant", name)
    if not math.isfinite(value) or comparison.task == "regression":
        return cell(human_number(value))
    return cell(percent(value))


def _range(row):
    if not np.isfinite([row["low"], row["high"]]).all():
        return None
    return f"{human_number(row['low'], 2)} to {human_number(row['high'], 2)}"
