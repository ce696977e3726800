"""A report in one file that opens without a network, and the short form for notebooks."""

import io
import math
import re
import warnings
from functools import partial
from pathlib import Path

import numpy as np

from sklearn_prune._atomic import written_whole
from sklearn_prune._drawing import UNKNOWN, height_for, human_number, shorten
from sklearn_prune._lazy import import_or_raise
from sklearn_prune.comparison.displays import (
    MEASURES,
    curve_of,
    draw_cost,
    draw_curve,
    drawable_chains,
    human_measure,
    mean_measures,
    mean_of,
    points_of,
)
from sklearn_prune.comparison.report.words import (
    difference_and_interval,
    headline,
    listed,
    percent,
    picked_variant,
    probability,
    quoted,
    ratio_text,
    rounded_up,
    score_text,
)

_SIGNS = {
    "baseline": "★",
    "not worse": "✓",
    "worse": "✗",
    "undecided": "?",
    "not tested": UNKNOWN,
    "failed": "!",
}
_COSTS = {
    "nbytes": "saved size",
    "n_params": "parameters",
    "n_samples": "rows",
    "fit_time": "fit time",
    "predict_latency": "predict 1\N{NO-BREAK SPACE}row",
}
_DESCRIBED = {"log_loss": "log loss", "churn": "changed labels"}  # without a verdict
_EXPLANATIONS = {
    "n_rules": ("rules", "different ones"),
    "n_features": ("columns", "that are read"),
    "explanation_rank_correlation": ("rank correlation", "between folds"),
    "explanation_top5_overlap": ("top five shared", "between folds"),
    "seed_explanation_rank_correlation": ("rank correlation", "with another seed"),
    "seed_explanation_top5_overlap": ("top five shared", "with another seed"),
}
_CONTROLS = ("random", "small")
_FEATURES_SHOWN, _CLASSES_SHOWN, _VARIANTS_SHOWN = 20, 40, 8
_SAME_IN_EVERY_FOLD = ("row", "feature", "input", "coefficient")
_MATPLOTLIB = {
    "svg.fonttype": "none",
    "svg.hashsalt": "sklearn-prune",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.usetex": False,
}
_DROPPED = re.compile(r"<metadata>.*?</metadata>|<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_ID = re.compile(r'(\bid="|url\(#|href="#)')


def write_report(comparison, path):
    """Write a comparison as one HTML file: no network, no script.

    The file is replaced whole or not at all.
    """
    path = Path(path)
    content = report(comparison).encode("utf-8")
    with written_whole(path) as file:
        file.write(content)
    return path


def report(comparison):
    """The report as a page of HTML."""
    means, scorer = mean_measures(comparison), comparison.scorers[0]
    controls = [
        role
        for role in _CONTROLS
        if any(
            math.isfinite(mean_of(means, name, role, scorer))
            for name in comparison.variants
        )
    ]
    costs = [name for name in _COSTS if name in means.columns]
    counts, features = _kept(comparison)
    changes = [name for name in ("churn", "seed_churn") if name in means.columns]
    size = mean_of(means, comparison.baseline, "baseline", "nbytes")
    chains = comparison.chains.values()
    return _render(
        comparison,
        short=False,
        result=comparison,
        scorer=scorer,
        n_variants=len(comparison.variants) - 1,
        baseline_score=mean_of(means, comparison.baseline, "baseline", scorer),
        baseline_size=human_measure("nbytes", size) if math.isfinite(size) else None,
        **_beside_random(comparison, means),
        scores=_scores(
            comparison, means, scorer, controls, costs, _described(comparison, means)
        ),
        other_scores=[_scores(comparison, means, one) for one in comparison.scorers[1:]],
        figures=_figures(comparison, means),
        counts=counts,
        features=features,
        classes=_classes(comparison),
        changes=changes,
        agreement=_agreement(comparison, means, changes),
        explanations=_explanations(comparison),
        changed=_changed(comparison),
        n_chains=len(chains),
        longest_chain=max(map(len, chains), default=0),
        provenance=[pair for pair in _provenance(comparison) if pair[1] is not None],
    )


def to_html_fragment(comparison):
    """The conclusion and a short table as HTML, for a notebook."""
    means = mean_measures(comparison)
    costs = [name for name in ("nbytes", "predict_latency") if name in means.columns]
    described = _described(comparison, means)
    scores = _scores(
        comparison, means, comparison.scorers[0], costs=costs, described=described
    )
    return _render(comparison, short=True, scores=scores)


def _render(comparison, **context):
    jinja2 = import_or_raise("jinja2", "to_html", extra="compare")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "listed": listed,
        "number": human_number,
        "percent": percent,
        "quoted": quoted,
        "shorten": lambda text, width=10_000: shorten(text, width),
    }
    return environment.get_template("report.html").render(
        alpha=comparison.alpha,
        baseline=comparison.baseline,
        costs=_COSTS,
        described=_DESCRIBED,
        headline=headline(comparison),
        picked=picked_variant(comparison),
        signs=_SIGNS,
        unknown=UNKNOWN,
        **context,
    )


def _described(comparison, means):
    """Measures of classifiers that are shown without a verdict, where there are any."""
    if comparison.task != "classification":
        return []
    shown = [name for name in _DESCRIBED if name not in comparison.scorers]
    return [name for name in shown if name in means and means[name].notna().any()]


def _scores(comparison, means, scorer, controls=(), costs=(), described=()):
    """Rows of the table of all variants by one score."""
    base, picked = comparison.baseline, picked_variant(comparison)
    verdicts = comparison.verdicts(scorer).reindex(list(comparison.variants))
    rows = []
    for name, row in verdicts.iterrows():
        role = "baseline" if name == base else "variant"
        verdict = row["verdict"] if isinstance(row["verdict"], str) else "failed"
        difference, interval = difference_and_interval(row)
        margin = None
        if verdict != "not tested" and math.isfinite(row["certifiable_margin"]):
            least = row["certifiable_margin"]
            margin = f"margin ≥ {rounded_up(least)}" if least > 0 else "any margin"
        own_costs = []
        for cost in costs:
            value = mean_of(means, name, role, cost)
            whole = mean_of(means, base, "baseline", cost)
            ratio = ratio_text(cost, value, whole, sign="\N{MULTIPLICATION SIGN}")
            ratio = None if name == base else "same" if ratio == "" else ratio
            own_costs.append((human_measure(cost, value), ratio))
        values = [(one, mean_of(means, name, role, one)) for one in described]
        own = [
            percent(value) if measure == "churn" else score_text(value)
            for measure, value in values
        ]
        beside = [mean_of(means, name, control, scorer) for control in controls]
        rows.append(
            {
                "name": name,
                "kind": "picked" if name == picked else role,
                "score": score_text(mean_of(means, name, role, scorer)),
                "controls": [score_text(value) for value in beside],
                "difference": difference,
                "interval": interval,
                "probability": probability(row["p_not_worse"]),
                "verdict": "baseline" if name == base else verdict,
                "margin": margin,
                "described": own,
                "costs": own_costs,
            }
        )
    return {
        "scorer": scorer,
        "controls": controls,
        "described": described,
        "costs": costs,
        "rows": rows,
    }


def _beside_random(comparison, means):
    """Scores of variants and of their random controls; variants that score no higher."""
    pairs = {}
    for name in comparison.variants:
        score, random = (
            mean_of(means, name, role, comparison.scorers[0])
            for role in ("variant", "random")
        )
        if math.isfinite(score - random) and score != random:  # not random itself
            pairs[name] = score, random
    beaten = [name for name, (score, random) in pairs.items() if score < random]
    return {"beside_random": pairs, "beaten": beaten}


def _figures(comparison, means):
    scorer = comparison.scorers[0]
    found = []
    for cost in ("nbytes", "predict_latency"):
        if cost in means.columns and np.isfinite(means[cost] + means[scorer]).any():
            controls = np.isfinite(means[cost].unstack("role").filter(_CONTROLS))
            draw = partial(draw_cost, **points_of(comparison, cost=cost))
            title = f"{scorer} against {MEASURES[cost]}"
            found.append(("cost", cost, title, draw, controls.any(axis=None)))
    for kind, chains in drawable_chains(comparison).items():
        if sum(map(len, chains.values())) > 1:
            draw = partial(draw_curve, **curve_of(comparison, kind=kind))
            found.append(("keep", kind, f"{scorer} over the {kind} kept", draw, False))
    size = (7.6, height_for(len(comparison.variants) + 6, 4.6))
    return [
        {
            "kind": kind,
            "title": title,
            "svg": _inline_svg(draw, f"{kind}-{of}", size),
            "controls": controls,
        }
        for kind, of, title, draw, controls in found
    ]


def _inline_svg(draw, prefix, size):
    """The SVG of what `draw` puts on axes; `prefix` stands before each id in it."""
    matplotlib = import_or_raise("matplotlib", "to_html", extra="compare")
    figures = import_or_raise("matplotlib.figure", "to_html", extra="compare")
    markupsafe = import_or_raise("markupsafe", "to_html", extra="compare")
    target = io.StringIO()
    # The look must not depend on the user's settings, nor change them.
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_MATPLOTLIB)
        figure = figures.Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(target, format="svg", metadata=nothing, transparent=True)
    svg = target.getvalue()
    svg = _DROPPED.sub("", svg[svg.index("<svg") :])
    return markupsafe.Markup(_TAG.sub(lambda tag: _ID.sub(rf"\1{prefix}-", tag[0]), svg))


def _kept(comparison):
    """Counts of kept units, and tables of the shares of folds that kept a feature."""
    counts, named = [], {}
    for variant in comparison.variants:
        kept = comparison.kept(variant)
        for unit, part in kept.groupby("unit", sort=False) if len(kept) else ():
            share, split = part["frequency"], [math.nan] * 3
            if unit in _SAME_IN_EVERY_FOLD:
                always, never = (share == 1).sum(), (share == 0).sum()
                split = [always, len(share) - always - never, never]
            counts.append((variant, unit, [len(share), *split]))
            if unit in ("feature", "input"):
                named.setdefault(unit, {})[variant] = part.set_index("id")
    return counts, [_feature_shares(unit, parts) for unit, parts in named.items()]


def _feature_shares(unit, parts):
    import pandas as pd

    shown = dict(list(parts.items())[:_VARIANTS_SHOWN])
    shares = pd.DataFrame({name: part["frequency"] for name, part in shown.items()})
    order = shares.mean(axis=1).sort_values(ascending=False, kind="stable").index
    names = {}
    for part in shown.values():
        names = part["name"].to_dict() | names
    rows = []
    for number in order[:_FEATURES_SHOWN]:
        name = names[number]
        # A column without a name is known by its number.
        name = f"x{number}" if name in (None, str(number)) else name
        rows.append((name, [(share, None) for share in shares.loc[number]]))
    return {
        "of": unit,
        "variants": list(shown),
        "n_variants": len(parts),
        "rows": rows,
        "n_rows": len(order),
    }


def _classes(comparison):
    """Rows kept of each class, or None where no rows were dropped."""
    parts = {name: comparison.kept_by_class(name) for name in comparison.variants}
    parts = {name: part.set_index("class") for name, part in parts.items() if len(part)}
    if not parts:
        return None
    shown = dict(list(parts.items())[:_VARIANTS_SHOWN])
    last = list(shown.values())[-1]
    classes = last.index
    if len(classes) > _CLASSES_SHOWN:
        share = (last["kept"] / last["seen"]).sort_values(kind="stable")
        classes = share.index[:_CLASSES_SHOWN]
    rows = []
    for label in classes:
        cells = []
        for part in shown.values():
            seen, kept = part.loc[label, ["seen", "kept"]]
            share = kept / seen if seen else math.nan
            cells.append((share, f"{human_number(kept)} of {human_number(seen)}"))
        rows.append((label, cells))
    return {
        "of": "class",
        "variants": list(shown),
        "n_variants": len(parts),
        "rows": rows,
        "n_rows": len(last),
    }


def _agreement(comparison, means, changes):
    """Agreement of folds and seeds on what is kept and predicted."""
    frame = comparison.stability().reset_index()
    frame = frame[np.isfinite(frame["stability"].astype(float))]
    if not (len(frame) or changes):
        return []
    rows = []
    for variant in comparison.variants:
        if variant == comparison.baseline:
            continue
        row = {
            "variant": variant,
            "changes": [mean_of(means, variant, "variant", name) for name in changes],
            "stability": UNKNOWN,
            "interval": None,
        }
        own = frame[frame["variant"] == variant]
        for one in own.to_dict("records"):
            row["stability"] = f"{human_number(one['stability'], 2)} ({one['unit']})"
            if math.isfinite(one["low"] + one["high"]):
                ends = human_number(one["low"], 2), human_number(one["high"], 2)
                row["interval"] = " to ".join(ends)
            rows.append(dict(row))
        if own.empty:
            rows.append(row)
    return rows


def _explanations(comparison):
    """Agreement of explanations between folds and seeds, by variant; None if unknown."""
    table = comparison.explanations()
    if table.empty:
        return None
    heads = [name for name in _EXPLANATIONS if name in table]
    rows = [
        (
            name,
            [
                human_number(value, 3 if head.startswith("n_") else 2)
                for head, value in zip(heads, values, strict=True)
            ],
        )
        for name, values in zip(table.index, table[heads].to_numpy(), strict=True)
        if np.isfinite(values).any()
    ]
    return {"heads": [_EXPLANATIONS[name] for name in heads], "rows": rows}


def _changed(comparison):
    """Changed predictions of classifiers by class and group, or None."""
    if comparison.task != "classification":
        return None
    names = [
        name
        for name in comparison.variants
        if name != comparison.baseline and name not in comparison.failures
    ]
    shown = names[:_VARIANTS_SHOWN]
    if not shown:
        return None
    reports = [comparison.churn_report(name) for name in shown]
    lines = list(zip(*(report.lines for report in reports), strict=True))
    largest = [max(line.at_most for line in each) for each in lines]
    whole = [place for place, each in enumerate(lines) if each[0].value is None]
    rest = [place for place in range(len(lines)) if place not in set(whole)]
    rest = sorted(rest, key=lambda place: -largest[place])[:_CLASSES_SHOWN]
    rows = [
        (
            lines[place][0],
            [
                (f"{100 * line.share:.1f} %", f"{100 * line.at_most:.1f} %")
                for line in lines[place]
            ],
        )
        for place in [*whole, *sorted(rest)]
    ]
    return {
        "variants": shown,
        "n_variants": len(names),
        "sure": reports[0].sure if reports[0].margins is not None else None,
        "rows": rows,
        "n_rows": len(lines),
    }


def _provenance(comparison):
    manifest = comparison.manifest
    yield "digest of the manifest", manifest.get("sha256")
    yield from _flat(manifest.get("data", {}), "data")
    yield "seed", manifest.get("design", {}).get("seed")
    yield "splits", comparison.n_splits
    yield "alpha", comparison.alpha
    for name, margin in comparison.margins.items():
        yield f"margin, {name}", human_number(margin)
    yield from _flat(manifest.get("environment", {}), "")


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
