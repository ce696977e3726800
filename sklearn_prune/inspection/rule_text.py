"""Rules as a text and as HTML. All names and labels are shown as text."""

from collections import Counter
from html import escape
from textwrap import wrap

import numpy as np

from sklearn_prune.models.trees import Interval, column_of
from sklearn_prune.predictors import escaped

SHOWN = 100  # rules of a long table
_PREDICTIONS = {
    "identity": "The prediction is {}.",
    "log": "The prediction is the exponential of {}.",
    "sqrt": "The prediction is the square of {}, with its sign.",
    "log1p": "The prediction is log(1 + exp(t)), where t is {}.",
    "logit": "The prediction is 1 / (1 + exp(-t)), where t is {}.",
}
_CLASS = ' class="rule"'
_STYLE = """
.sklearn-prune-rules { max-width: 60rem; }
.sklearn-prune-rules p { margin: .4em 0 .8em; max-width: 46rem; overflow-wrap: anywhere; }
.sklearn-prune-rules table { border-collapse: collapse; font-size: .9em;
  font-variant-numeric: tabular-nums; }
.sklearn-prune-rules th, .sklearn-prune-rules td { padding: .3em .5em; text-align: right;
  vertical-align: top; border-bottom: 1px solid #d4d4d4; }
.sklearn-prune-rules thead th { vertical-align: bottom; border-bottom: 2px solid; }
.sklearn-prune-rules .rule { text-align: left; overflow-wrap: anywhere; }
.sklearn-prune-rules tbody .rule { font-weight: 400; }
"""
_PAGE_STYLE = """
body { margin: 0 auto; padding: 2rem 1.5rem; max-width: 64rem; color: #1a1a1a;
  background: #fff; font: 16px/1.4 system-ui, "Segoe UI", Roboto, "Liberation Sans",
  sans-serif; }
@media (max-width: 40rem) { body { padding: 1rem .6rem; } }
"""


class ConditionTexts:
    """Writes conditions on the features of some rows.

    Parameters
    ----------
    names : list of str
        Names of the features.
    rows : array or sparse matrix of shape (n_rows, n_features)
        Thresholds are rounded as far as no row changes sides.
    missing : ndarray of shape (n_features,), bool
        Features with missing values, which conditions then mention.
    categories : dict of int to array, or None
        Values of categorical features, by their codes.
    boxes : list of tuple
        All rules, so that different conditions have different texts.
    """

    def __init__(self, names, rows, missing, categories, boxes):
        self.names = [escaped(name) for name in names]
        self.rows, self.missing, self.categories = rows, missing, categories or {}
        self.values, self.thresholds, self.bounds = {}, {}, {}
        for feature, condition in {each for box in boxes for each in box}:
            if isinstance(condition, Interval):
                bounds = filter(np.isfinite, condition[:2])
                self.bounds.setdefault(feature, set()).update(bounds)

    def of(self, box):
        """The conditions of a rule, joined by "and"."""
        parts = [self._condition(*each) for each in box]
        several = len(parts) > 1
        return " and ".join(
            f"({part})" if several and part.endswith(" or missing") else part
            for part in parts
        )

    def _condition(self, feature, condition):
        name, tells = self.names[feature], self.missing[feature]
        if not isinstance(condition, Interval):
            text = self._set(name, feature, condition)
        elif condition.low == np.inf:
            return f"{name} is missing"
        elif condition.low == -np.inf and condition.high == np.inf:
            return f"{name} is not missing"
        else:
            text = self._interval(name, feature, condition)
        return f"{text} or missing" if tells and condition.missing else text

    def _interval(self, name, feature, condition):
        values, written = self._values(feature)
        inside = written[(values > condition.low) & (values <= condition.high)]
        short = len(values) == 2 and all(float(f"{each:.4g}") == each for each in written)
        if short and len(inside) == 1:
            return f"{name} = {_shortest(inside[0])}"
        if condition.low == -np.inf:
            return f"{name} <= {self._threshold(feature, condition.high)}"
        low = self._threshold(feature, condition.low)
        if condition.high == np.inf:
            return f"{name} > {low}"
        return f"{low} < {name} <= {self._threshold(feature, condition.high)}"

    def _set(self, name, feature, condition):
        known = self.categories.get(feature)
        n_known = len(known) if known is not None else len(condition.inside)
        inside = np.full(n_known, condition.other)
        size = min(n_known, len(condition.inside))
        inside[:size] = condition.inside[:size]
        short = inside.sum() <= n_known - inside.sum() and not condition.other
        labels = np.arange(n_known) if known is None else np.asarray(known, dtype=object)
        listed = [escaped(str(label)) for label in labels[inside if short else ~inside]]
        verb = ("is" if short else "is not") + (" one of" if len(listed) > 1 else "")
        return f"{name} {verb} {', '.join(listed)}"

    def _values(self, feature):
        """The values of a column, and what a person would write for them."""
        if feature not in self.values:
            column = column_of(self.rows, feature)
            values = np.unique(column[~np.isnan(column)])
            written = values
            if values.dtype == np.float32:  # 0.1 is read as 0.10000000149
                written = values.astype(str).astype(np.float64)
            self.values[feature] = values.astype(np.float64), written
        return self.values[feature]

    def _threshold(self, feature, bound):
        """A bound as a text; two bounds have different texts."""
        if feature not in self.thresholds:
            self.thresholds[feature] = self._all_thresholds(feature)
        return self.thresholds[feature][bound]

    def _all_thresholds(self, feature):
        texts = {bound: self._text(feature, bound) for bound in self.bounds[feature]}
        while True:
            times = Counter(text for text, _ in texts.values())
            again = [bound for bound in texts if times[texts[bound][0]] > 1]
            if not again:
                return {bound: text for bound, (text, _) in texts.items()}
            for bound in again:
                texts[bound] = self._text(feature, bound, texts[bound][1] + 1)

    def _text(self, feature, bound, fewest=0):
        """A number that divides the rows as the bound does, and how many digits it has."""
        values, written = self._values(feature)
        place = int(np.searchsorted(values, bound, side="right"))
        below = written[place - 1] if place else -np.inf
        above = written[place] if place < len(values) else np.inf
        are_whole = bool((written == np.rint(written)).all())
        if fewest == 0 and are_whole and np.isfinite(below):
            return _shortest(below), 0
        for digits in range(max(fewest, 1), 17):
            number = float(f"{bound:.{digits}g}")
            if below <= number < above:
                return _shortest(number), digits
        return _shortest(bound), 17


def _shortest(number):
    """A number in the fewest digits that tell it."""
    return repr(float(number) + 0.0).removesuffix(".0")


def heading(table):
    """Sentences that say how to read a table of rules."""
    n_rules, n_features = len(table), table.to_read()["n_features"]
    what = "numbers" if table.unit is None else "points"
    means = [*table.target_means()]
    columns = '"holds for" is the share of the rows for which a rule holds'
    if len(means) == 1:
        columns += f'; "{means[0]}" is counted among these rows'
    elif means:
        columns += "; the columns beside it are counted among these rows"
    return [
        f"{n_rules:,} rule{'s' * (n_rules != 1)} on {n_features:,} "
        f"feature{'s' * (n_features != 1)}.",
        f"To predict a row, start with the intercept and add the {what} of each rule that "
        "holds for the row.",
        *_meaning(table),
        f"{columns}.",
    ]


def _meaning(table):
    """What the total of a row means."""
    classes, names = table.classes, table.output_names()
    total = "total" if table.unit is None else f"{table.unit[0]:.4g} * total"
    if classes is None:
        total = ["the total" if table.unit is None else f"{_listed(table.unit)} * total"]
        return [_PREDICTIONS[table.link].format(*total)]
    if isinstance(classes, list):
        return ["Of each target the class with the largest total is predicted."]
    if len(classes) == 1:
        return [f"There is one class, {_label(classes[0])}."]
    if len(names) > 1:
        text = ["The class with the largest total is predicted."]
        if table.link == "softmax":
            text.append(f"Its probabilities are the softmax of {total}.")
        return text
    first, second = map(_label, classes)
    rule = f"A total above {table.threshold:g} predicts {second}, else {first}."
    if table.link == "logit":
        return [rule, f"The probability of {second} is 1 / (1 + exp(-{total}))."]
    start = "" if table.unit is None else "0.5 + "
    return [rule, f"The probability of {second} is {start}{total}."]


def _listed(unit):
    sizes = [f"{each:.4g}" for each in unit]
    return sizes[0] if len(sizes) == 1 else f"({', '.join(sizes)})"


def _label(label):
    """A label as one types it."""
    return repr(label.item() if isinstance(label, np.generic) else label)


def cells(table):
    """Headers and lines of a table of rules as texts, the intercept first.

    Returns
    -------
    headers : list of str
    lines : list of list of str
        The conditions are the last column.
    """
    names, points = table.output_names(), table.unit is not None
    adds = ["points" if points else "adds"]
    if len(names) > 1:
        adds = [f"{adds[0]} to {name}" for name in names]
    means = table.target_means()
    headers = [*adds, "holds for", *means, "rule"]
    order = table.by_features()[:SHOWN]
    values = np.vstack([table.intercept, table.contributions[order]])
    columns = [_signed(column, points) for column in values.T]
    columns.append([f"{100 * share:.0f} %" for share in [1.0, *table.coverage[order]]])
    for name, of_rules in means.items():
        column = np.array([table.overall_means()[name], *of_rules[order]])
        is_share = name.startswith("share of ")
        columns.append(
            [f"{100 * mean:.0f} %" if is_share else f"{mean:.4g}" for mean in column]
        )
    texts = table.texts()
    columns.append(["(intercept)", *(texts[number] for number in order)])
    return [escaped(header) for header in headers], [*zip(*columns, strict=True)]


def _signed(values, are_points):
    if are_points:
        return [f"{value:+d}" for value in values]
    largest = float(np.abs(values).max(initial=0.0))
    decimals = 0 if largest == 0 else max(0, 2 - int(np.floor(np.log10(largest))))
    return [f"{value:+.{decimals}f}" for value in values]


def _rest(table):
    n_more = len(table) - SHOWN
    return f"{n_more:,} more rules: frame() has all of them." if n_more > 0 else ""


def text(table):
    """A table of rules for a terminal."""
    headers, lines = cells(table)
    widths = [max(map(len, column)) for column in zip(headers, *lines, strict=True)]
    found = [*wrap(" ".join(heading(table)), 88), ""]
    for line in (headers, *lines):
        numbers = [
            value.rjust(width) for value, width in zip(line[:-1], widths[:-1], strict=True)
        ]
        found.append("  ".join([*numbers, line[-1]]))
    return "\n".join([*found, *filter(None, [_rest(table)])])


def fragment(table):
    """A table of rules for a notebook."""
    headers, lines = cells(table)
    sentences = escape(" ".join(heading(table)))
    head = "".join(
        f'<th scope="col"{_CLASS * (k == len(headers) - 1)}>{escape(header)}</th>'
        for k, header in enumerate(headers)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td>{escape(value)}</td>" for value in values)
        + f'<th scope="row"{_CLASS}>{escape(rule)}</th></tr>\n'
        for *values, rule in lines
    )
    return (
        f'<div class="sklearn-prune-rules"><style>{_STYLE}</style>\n<p>{sentences}</p>\n'
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>\n"
        f"<p>{escape(_rest(table))}</p></div>"
    )


def page(table):
    """A table of rules as a whole HTML file."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Rules</title><style>{_PAGE_STYLE}</style></head>\n"
        f"<body>{fragment(table)}</body></html>\n"
    )
