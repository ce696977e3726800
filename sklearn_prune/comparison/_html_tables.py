"""The tables of a report; every text of the user's is escaped here."""

import math
from html import escape

import numpy as np

from sklearn_prune.comparison._displays_common import (
    UNKNOWN,
    human_measure,
    human_number,
    mean_of,
    shorten,
)
from sklearn_prune.comparison._html_words import (
    SIGNS,
    difference_and_interval,
    percent,
    rounded_up,
    times,
)

_COSTS = {
    "nbytes": "saved size",
    "n_params": "parameters",
    "n_samples": "rows trained on",
    "fit_time": "fit",
    "predict_latency": "predict one row",
}
_FEATURES_SHOWN = 20
_VARIANTS_SHOWN = 8
_UNITS_WITH_IDENTITY = ("feature", "input")


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
    below = (
        f"<small>smallest margin {rounded_up(margin)}</small>"
        if math.isfinite(margin)
        else ""
    )
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
        head.append(f"{' / '.join(controls)}<small>same size</small>")
    head.append(f"difference<small>{percent(1 - comparison.alpha)} interval</small>")
    if not short:
        head.append("P(not worse)")
    head.append("verdict")
    head += [_COSTS[name] for name in costs]
    rows = []
    for name in comparison.variants:
        role = "baseline" if name == base else "variant"
        own = mean_of(means, name, role, scorer)
        cells = [head_cell(named(name)), cell(human_number(own, 4))]
        if controls:
            of = [human_number(mean_of(means, name, each, scorer), 4) for each in controls]
            cells.append(cell(" / ".join(of) if name != base else UNKNOWN))
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
    return [*cells, verdict_cell(row["verdict"], row["certifiable_margin"])]


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
        found = times(cost, value, baseline)
        below = "same" if found == "" else found
    return cell(escape(human_measure(cost, value)), below)


def other_scores_table(comparison, means, scorer):
    """A short table for a score that is not the primary one."""
    verdicts, base = comparison.verdicts(scorer), comparison.baseline
    head = [
        "variant",
        safe(scorer, 40),
        f"difference<small>{percent(1 - comparison.alpha)} interval</small>",
        "P(not worse)",
        "verdict",
    ]
    rows = []
    for name in comparison.variants:
        role = "baseline" if name == base else "variant"
        score = human_number(mean_of(means, name, role, scorer), 4)
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
            if unit in _UNITS_WITH_IDENTITY:
                found.setdefault(unit, {})[variant] = part.set_index("id")
            if unit != "row" or len(part):
                counts.append(_count_row(variant, unit, part["frequency"]))
    html = []
    if counts:
        head = ["variant", "unit", "number", "kept in every fold", "in some", "in none"]
        html.append(table(head, counts))
    for unit, by_variant in found.items():
        html.append(_frequency_table(unit, by_variant))
    return html


def _count_row(variant, unit, frequency):
    always, never = (frequency == 1).sum(), (frequency == 0).sum()
    numbers = (len(frequency), always, len(frequency) - always - never, never)
    cells = [cell(f"{number:,}") for number in numbers]
    return "", [head_cell(named(variant)), text_cell(unit), *cells]


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
        cells = [head_cell(named(number if name is None else name, 60))]
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


def _bar(share):
    if not np.isfinite(share):
        return cell(UNKNOWN)
    width = f"calc((100% - .6rem) * {share:.3f})"
    return f'<td class="bar"><span style="width:{width}"></span><b>{share:.0%}</b></td>'


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
            cells.append(_bar(share).replace("</b>", f"</b> <small>{of}</small>"))
        rows.append(("", cells))
    caption = "Rows kept of each class (means over the folds)"
    if len(classes) == 40:
        caption += f": the {len(classes)} classes that lost most"
    return table(["class", *(named(name, 40) for name in shown)], rows, caption=caption)


def stability_table(comparison):
    """Agreement of the folds on what to keep, or None where it is not known."""
    frame = comparison.stability()
    frame = frame[np.isfinite(frame["stability"].astype(float))]
    if not len(frame):
        return None
    rows = []
    for (variant, unit), row in frame.iterrows():
        interval = None
        if np.isfinite([row["low"], row["high"]]).all():
            interval = f"{human_number(row['low'], 2)} to {human_number(row['high'], 2)}"
        value = cell(human_number(row["stability"], 2), interval)
        rows.append(("", [head_cell(named(variant)), text_cell(unit), value]))
    caption = "Stability: 1 where all folds keep the same, 0 where they agree as by chance"
    return table(
        ["variant", "unit", "stability<small>95 % interval</small>"], rows, caption=caption
    )
