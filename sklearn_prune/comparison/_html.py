"""A report in one file that opens without a network, and the short form for notebooks."""

from html import escape
from pathlib import Path

from sklearn_prune._atomic import written_whole
from sklearn_prune.comparison._displays_common import human_number, mean_measures
from sklearn_prune.comparison._html_figures import figures_of
from sklearn_prune.comparison._html_style import (
    CONTENT_SECURITY_POLICY,
    FRAGMENT_STYLE,
    STYLE,
)
from sklearn_prune.comparison._html_tables import (
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
from sklearn_prune.comparison._html_words import (
    beside_random,
    chains_in_words,
    headline,
    how_to_read,
    in_short,
    picked_variant,
)


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
    chains = chains_in_words(comparison)
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
