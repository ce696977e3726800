"""A report in one file that opens without a network, and the short form for notebooks."""

import io
import re
import warnings
from functools import partial
from html import escape
from pathlib import Path

import numpy as np

from sklearn_prune._atomic import written_whole
from sklearn_prune._lazy import import_or_raise
from sklearn_prune.comparison.displays import (
    MEASURES,
    curve_of,
    draw_cost,
    draw_curve,
    drawable_chains,
    height_for,
    human_number,
    mean_measures,
    points_of,
)
from sklearn_prune.comparison.report.tables import (
    classes_table,
    head_cell,
    kept_tables,
    left,
    named,
    other_scores_table,
    safe,
    stability_table,
    table,
    text_cell,
    variants_table,
)
from sklearn_prune.comparison.report.words import (
    beside_random,
    headline,
    how_to_read,
    in_short,
    lines_of_chains,
    picked_variant,
)

CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
STYLE = """
:root { --ink: #1a1a1a; --soft: #595959; --line: #d4d4d4; --faint: #f5f5f3; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 72rem; color: var(--ink);
  background: #fff; font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial,
  "Liberation Sans", sans-serif; }
h1 { margin: 0 0 .3rem; font-size: 1.05rem; font-weight: 600; color: var(--soft); }
h2 { margin: 2.6rem 0 .6rem; font-size: 1.2rem; border-bottom: 1px solid var(--line);
  padding-bottom: .25rem; }
h3 { margin: 1.6rem 0 .4rem; font-size: 1rem; }
p, ul { margin: .5rem 0; max-width: 50rem; }
.verdict { margin: 0 0 .8rem; padding: .9rem 1.1rem; border-left: 6px solid #004488;
  background: var(--faint); font-size: 1.3rem; line-height: 1.4; max-width: none;
  overflow-wrap: anywhere; }
.verdict.none { border-left: 6px double #8a4b00; }
.note { color: var(--soft); font-size: .9rem; }
.warning::before { content: "\\26A0"; margin-right: .5em; font-weight: 700; }
.plain { list-style: none; padding-left: 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .82rem; line-height: 1.3;
  font-variant-numeric: tabular-nums; }
.caption { margin: 1.4rem 0 .3rem; color: var(--soft); font-size: .9rem; }
.scroll + .scroll { margin-top: 1.4rem; }
th, td { padding: .4rem .45rem; text-align: right; vertical-align: top;
  border-bottom: 1px solid var(--line); white-space: nowrap; }
thead th:first-child { text-align: left; }
thead th { vertical-align: bottom; white-space: normal; border-bottom: 2px solid var(--ink);
  font-weight: 600; }
th[scope=row] { text-align: left; font-weight: 600; white-space: normal; min-width: 8rem;
  max-width: 16rem; overflow-wrap: anywhere; }
td.text { text-align: left; white-space: normal; overflow-wrap: anywhere; }
td small, th small { display: block; color: var(--soft); font-weight: 400; }
tr.baseline { background: var(--faint); }
tr.picked th[scope=row] { border-left: 5px solid #004488; }
.sign { display: inline-block; width: 1.15em; text-align: center; font-weight: 700; }
td.verdict-word { text-align: left; }
.v-not-worse { color: #004488; font-weight: 600; }
.v-worse { color: #93283a; font-weight: 600; }
.v-undecided { color: #6b4a00; font-style: italic; }
.verdict-word small { font-style: normal; }
.v-not-tested, .v-failed { color: var(--soft); }
.bar { position: relative; min-width: 9rem; }
.bar span { position: absolute; left: .4rem; top: .45rem; bottom: .45rem;
  background: #c6d0de; border-right: 2px solid #5d7596; }
.left { display: block; text-align: left; }
figure { margin: 1.2rem 0; break-inside: avoid; }
figure svg { display: block; width: 100%; max-width: 46rem; height: auto; }
figcaption { color: var(--soft); font-size: .9rem; max-width: 46rem; }
code { font-size: .85em; overflow-wrap: anywhere; }
@media (max-width: 60rem) {
  body { padding: 1rem; }
  .verdict { font-size: 1.1rem; }
}
@media print {
  @page { size: A4 landscape; margin: 12mm; }
  body { padding: 0; max-width: none; font-size: 10.5pt; }
  h2, h3, .caption { break-after: avoid; }
  tr, .verdict { break-inside: avoid; }
  thead { display: table-header-group; }
  .scroll { overflow: visible; }
  table { font-size: 8.4pt; }
  th, td { padding: .25rem .4rem; }
  * { print-color-adjust: exact; }
}
"""
FRAGMENT_STYLE = """
.sklearn-prune-comparison { max-width: 66rem; }
.sklearn-prune-comparison .verdict { font-size: 1.1em; margin: .3em 0 .6em;
  overflow-wrap: anywhere; }
.sklearn-prune-comparison th[scope=row] { text-align: left; overflow-wrap: anywhere; }
.sklearn-prune-comparison td small, .sklearn-prune-comparison th small { display: block;
  opacity: .7; font-weight: 400; }
"""
_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "sklearn-prune",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.usetex": False,
}
_CONTROLS = ("random", "small")
_DROPPED = re.compile(r"<metadata>.*?</metadata>|<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_ID = re.compile(r'(\bid="|url\(#|href="#)')


def write_report(comparison, path):
    """Write a comparison as one HTML file: no network, no script.

    The file appears whole or not at all: it is written beside its place and then moved.

    Parameters
    ----------
    comparison : PruningComparison
        What `compare_pruning` gave.
    path : path-like
        File to write.

    Returns
    -------
    pathlib.Path
        The same path.
    """
    path = Path(path)
    content = report(comparison).encode("utf-8")
    with written_whole(path) as file:
        file.write(content)
    return path


def report(comparison):
    """Return the report as a page of HTML."""
    means, verdicts = mean_measures(comparison), comparison.verdicts()
    sections = [
        _verdict(comparison, means, verdicts),
        _variants(comparison, means, verdicts),
        _figures(comparison),
        _kept(comparison, means),
        _warnings(comparison),
        _reading(comparison),
        _reproducing(comparison),
    ]
    body = "\n".join(part for part in sections if part)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_SECURITY_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Pruned against {safe(comparison.baseline, 60)}</title>\n"
        f"<style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def to_html_fragment(comparison):
    """Return the verdict and a short table, for a notebook.

    Parameters
    ----------
    comparison : PruningComparison
        What `compare_pruning` gave.

    Returns
    -------
    str
        HTML.
    """
    means, verdicts = mean_measures(comparison), comparison.verdicts()
    sentence = escape(headline(comparison, means, verdicts))
    picked = picked_variant(comparison)
    shown = variants_table(comparison, means, verdicts, picked, short=True)
    return (
        f'<div class="sklearn-prune-comparison"><style>{FRAGMENT_STYLE}</style>'
        f'<p class="verdict">{sentence}</p>{shown}</div>'
    )


def _verdict(comparison, means, verdicts):
    picked = picked_variant(comparison)
    lines = [
        "<h1>Pruned against unpruned</h1>",
        f'<p class="verdict{"" if picked else " none"}">'
        f"{escape(headline(comparison, means, verdicts))}</p>",
    ]
    beside = beside_random(comparison, means, verdicts)
    lines += [f"<p>{escape(sentence)}</p>" for sentence in beside]
    lines.append(f'<p class="note">{escape(in_short(means, comparison))}</p>')
    if comparison.warnings or comparison.failures:
        n = len(comparison.warnings) + len(comparison.failures)
        lines.append(
            f'<p class="warning"><a href="#warnings">{n} warning{"s" if n > 1 else ""}'
            "</a> to read before the result is believed.</p>"
        )
    return "\n".join(lines)


def _variants(comparison, means, verdicts):
    picked = picked_variant(comparison)
    lines = [
        "<h2>All variants</h2>",
        variants_table(comparison, means, verdicts, picked),
        '<p class="note">Scores are means over the splits. Saved size is the length of '
        "the pickled model as it would be shipped. Times are of the machine it ran on.</p>",
    ]
    for scorer in comparison.scorers[1:]:
        lines.append(other_scores_table(comparison, means, scorer))
    return "\n".join(lines)


def _figures(comparison):
    found = figures_of(comparison)
    if not found:
        return None
    lines = ["<h2>Score, cost and how much is kept</h2>"]
    for title, caption, svg in found:
        lines.append(
            f"<figure><h3>{safe(title, 120)}</h3>{svg}"
            f"<figcaption>{escape(caption)}</figcaption></figure>"
        )
    return "\n".join(lines)


def _kept(comparison, means):
    parts = [
        *kept_tables(comparison),
        classes_table(comparison),
        stability_table(comparison, means),
    ]
    parts = [part for part in parts if part]
    return "\n".join(["<h2>What was kept</h2>", *parts]) if parts else None


def _warnings(comparison):
    lines = ['<h2 id="warnings">Warnings</h2>']
    if comparison.warnings:
        items = "".join(f'<li class="warning">{safe(w)}</li>' for w in comparison.warnings)
        lines.append(f'<ul class="plain">{items}</ul>')
    if comparison.failures:
        lines.append("<h3>Variants that failed</h3>")
        rows = [
            ("", [head_cell(named(name)), text_cell(message)])
            for name, message in comparison.failures.items()
        ]
        lines.append(table(["variant", left("why")], rows))
    return "\n".join(lines) if len(lines) > 1 else None


def _reading(comparison):
    lines = ["<h2>How to read this</h2>"]
    lines += [f"<p>{escape(text)}</p>" for text in how_to_read(comparison)]
    chains = lines_of_chains(comparison)
    if chains:
        items = "".join(f"<li>{escape(chain)}</li>" for chain in chains)
        lines.append(f"<p>Chains, from the mildest to the hardest:</p><ul>{items}</ul>")
    return "\n".join(lines)


def _reproducing(comparison):
    manifest = comparison.manifest
    rows = [("digest of the manifest", manifest.get("sha256", ""))]
    rows += list(_flat(manifest.get("data", {}), "data"))
    seed = manifest.get("design", {}).get("seed")
    rows += [("seed", seed), ("splits", comparison.n_splits), ("alpha", comparison.alpha)]
    rows += [(f"margin, {name}", human_number(m)) for name, m in comparison.margins.items()]
    rows += list(_flat(manifest.get("environment", {}), ""))
    cells = [
        (
            "",
            [
                head_cell(safe(name, 80)),
                text_cell(value, code=True),
            ],
        )
        for name, value in rows
        if value is not None
    ]
    return (
        "<h2>How to reproduce it</h2>\n<p>The same data, estimators, seed and versions "
        "give the same scores, rows and masks, to the bit; times differ. "
        "<code>comparison.verify(X, y)</code> runs everything again and names the first "
        "thing that differs; <code>comparison.save_manifest(path)</code> writes all that "
        f"it compares.</p>\n{table(['what', left('value')], cells)}"
    )


def _flat(value, name, depth=3):
    """Leaves of nested dicts, by their path; long lists are left to the manifest."""
    if isinstance(value, dict):
        if depth:
            for key, inner in value.items():
                yield from _flat(inner, f"{name}.{key}".lstrip("."), depth - 1)
        return
    if isinstance(value, list | tuple):
        if len(value) > 4 or any(isinstance(item, dict | list | tuple) for item in value):
            return
        value = ", ".join(map(str, value))
    yield name, value


def figures_of(comparison):
    """Draw what a report shows.

    Returns
    -------
    list of (title, caption, svg)
    """
    means, scorer = mean_measures(comparison), comparison.scorers[0]
    size = (7.6, height_for(len(comparison.variants) + 6, 4.6))
    found = []
    for cost in ("nbytes", "predict_latency"):
        known = cost in means.columns and np.isfinite(means[cost])
        if np.any(known & np.isfinite(means[scorer])):
            title = f"{scorer} against {MEASURES[cost]}"
            caption = (
                "Up is better, left is cheaper (logarithmic). On the black steps nothing "
                "is both cheaper and better."
            )
            if np.isfinite(means[cost].unstack("role").filter(_CONTROLS)).any(axis=None):
                caption += (
                    " Hollow marks are controls, tied by dots to the variant whose size "
                    "they have."
                )
            draw = partial(draw_cost, **points_of(comparison, cost=cost))
            found.append((title, caption, inline_svg(draw, title, f"cost-{cost}", size)))
    for kind, chains in drawable_chains(comparison).items():
        if sum(map(len, chains.values())) > 1:
            title = f"{scorer} over the {kind} kept"
            caption = (
                "Bars: interval of the difference to the baseline. Grey band: not worse "
                "by more than the margin. Dashes: the same size chosen at random."
            )
            draw = partial(draw_curve, **curve_of(comparison, kind=kind))
            found.append((title, caption, inline_svg(draw, title, f"keep-{kind}", size)))
    return found


def inline_svg(draw, title, prefix, size):
    """Return the SVG of what `draw` puts on the axes that it is given.

    Parameters
    ----------
    draw : callable
        Takes matplotlib Axes.
    title : str
        For readers who do not see the picture.
    prefix : str
        Put before each id, so that two pictures on a page share none.
    size : tuple of float
        Inches.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    matplotlib = import_or_raise("matplotlib", "to_html", extra="compare")
    figure_module = import_or_raise("matplotlib.figure", "to_html", extra="compare")
    backend = import_or_raise("matplotlib.backends.backend_agg", "to_html", extra="compare")
    target = io.StringIO()
    # The look must not depend on the user's settings, nor change them.
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        figure = figure_module.Figure(figsize=size, layout="constrained")
        backend.FigureCanvasAgg(figure)
        draw(figure.subplots())
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(target, format="svg", metadata=nothing, transparent=True)
    svg = target.getvalue()
    svg = _DROPPED.sub("", svg[svg.index("<svg") :])
    svg = _TAG.sub(lambda tag: _ID.sub(rf"\1{prefix}-", tag[0]), svg)
    label = f'<svg role="img" aria-label="{escape(title)}"'
    return svg.replace("<svg", label, 1).strip()
