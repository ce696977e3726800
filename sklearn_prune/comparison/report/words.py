"""The conclusion of a comparison, and how its numbers are written."""

import math

import numpy as np

from sklearn_prune._drawing import UNKNOWN, human_number, shorten
from sklearn_prune.comparison.displays import mean_measures, mean_of

# Of each cost: what a variant does that has less or more of it, and the words for that.
COSTS = {
    "nbytes": ("is {}", "smaller", "larger"),
    "n_params": ("has {} parameters", "fewer", "more"),
    "n_nonzero": ("has {} non-zero parameters", "fewer", "more"),
    "n_samples": ("trains on {} rows", "fewer", "more"),
    "fit_time": ("is {} to fit", "faster", "slower"),
    "predict_latency": ("predicts {}", "faster", "slower"),
    "predict_latency_1000": ("predicts 1,000 rows {}", "faster", "slower"),
    "seed_churn": ("changes {} predictions with the seed", "fewer", "more"),
}


def quoted(name):
    """A name in quotation marks, cut where it is very long."""
    return f"“{shorten(name, 80)}”"


def listed(names):
    """Names in quotation marks, the first two of many."""
    texts = [quoted(name) for name in names]
    if len(texts) > 3:
        texts = [*texts[:2], f"{len(texts) - 2} others"]
    return _joined(texts)


def _joined(texts):
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if texts[1:] else texts)


def ratio_text(cost, value, baseline, *, sign=" times"):
    """By what factor a cost is less or more, such as "24 times smaller".

    None where one of the two is unknown, "" where they differ by less than five per cent.
    """
    if not (math.isfinite(value) and math.isfinite(baseline) and value > 0 < baseline):
        return None
    _, less, more = COSTS[cost]
    ratio = max(value / baseline, baseline / value)
    if ratio < 1.05:
        return ""
    shown = human_number(ratio, 2 if ratio < 100 else 3)
    return f"{shown}{sign} {less if value < baseline else more}"


def percent(share):
    """Write a share as per cent."""
    return f"{human_number(100 * share)} %" if math.isfinite(share) else UNKNOWN


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
        return "> 0.999"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def rounded_up(margin):
    """Write a margin with two digits, rounded up so that it still holds."""
    step = 10.0 ** (math.floor(math.log10(margin)) - 1) if margin > 0 else 1.0
    return human_number(math.ceil(round(margin / step, 6)) * step)


def difference_and_interval(row):
    """Write a difference and its interval, to two digits of the interval's half width.

    `row` is one of `PruningComparison.verdicts`. The interval is None where it is not
    finite.
    """
    low, high = row["ci_low"], row["ci_high"]
    known = bool(np.isfinite([low, high]).all())
    size = (high - low) / 2 if known and high > low else abs(row["difference"])
    decimals = 3
    if np.isfinite(size) and size > 0:
        decimals = min(max(1 - math.floor(math.log10(size)), 0), 12)
    interval = f"{_signed(low, decimals)} to {_signed(high, decimals)}" if known else None
    return _signed(row["difference"], decimals), interval


def _signed(value, decimals):
    if not np.isfinite(value):
        return UNKNOWN
    text = f"{abs(value):,.{decimals}f}"
    if not float(text.replace(",", "")):
        return text
    return ("\N{MINUS SIGN}" if value < 0 else "+") + text


def _difference_text(row, alpha):
    difference, interval = difference_and_interval(row)
    text = f"difference {difference}"
    return f"{text}, {percent(1 - alpha)} interval {interval}" if interval else text


def _passed(comparison):
    """Variants that are not worse by any of the scores, in the order given."""
    verdicts = [comparison.verdicts(scorer)["verdict"] for scorer in comparison.scorers]
    return [
        name
        for name in comparison.variants
        if name != comparison.baseline
        and all(each.get(name) == "not worse" for each in verdicts)
    ]


def picked_variant(comparison, cost="nbytes"):
    """The cheapest variant that is not worse; None where that is the baseline."""
    passed = _passed(comparison)
    if not passed:
        return None
    try:
        name = comparison.smallest_not_worse(cost)
    except ValueError:  # the cost was not measured
        return passed[-1]
    return None if name == comparison.baseline else name


def headline(comparison, cost="nbytes"):
    """The conclusion in two or three sentences."""
    verdicts, scorers = comparison.verdicts(), comparison.scorers
    margin = human_number(comparison.margins.get(scorers[0], math.nan))
    goal = f"the margin {margin} ({scorers[0]})"
    if len(scorers) > 1:
        goal = f"the margins of all scores ({', '.join(scorers)})"
    if name := picked_variant(comparison, cost):
        difference = _difference_text(verdicts.loc[name], comparison.alpha)
        text = (
            f"{_gains(comparison, name, cost)}. Its {scorers[0]} is not worse by more than "
            f"the margin {margin} ({difference})."
        )
        if others := scorers[1:]:
            text += (
                f" It also met the margin{'s' if others[1:] else ''} of {_joined(others)}."
            )
        return text
    if passed := _passed(comparison):
        return f"{listed(passed)} met {goal}. {_no_cheaper(comparison, passed, cost)}"
    if not len(verdicts):
        return "Nothing was compared with the baseline."
    return f"No variant met {goal}. {_why_none(comparison, verdicts)}"


def _gains(comparison, name, cost):
    """What a variant saves against the baseline, the cost in question first."""
    gains, means = [], mean_measures(comparison)
    for measure in dict.fromkeys((cost, "nbytes", "n_samples", "predict_latency")):
        value = mean_of(means, name, "variant", measure)
        whole = mean_of(means, comparison.baseline, "baseline", measure)
        more_rows = measure == "n_samples" and value > whole
        if (ratio := ratio_text(measure, value, whole)) and not more_rows:
            gains.append(COSTS[measure][0].format(ratio))
    if not gains:
        return f"{quoted(name)} costs no less than {quoted(comparison.baseline)}"
    return f"{quoted(name)} {_joined(gains)} than {quoted(comparison.baseline)}"


def _no_cheaper(comparison, passed, cost):
    does, less, _ = COSTS[cost]
    text = f"No such variant {does.format(less)} than {quoted(comparison.baseline)}."
    means = mean_measures(comparison)
    whole = mean_of(means, comparison.baseline, "baseline", "n_samples")
    rows = {name: mean_of(means, name, "variant", "n_samples") for name in passed}
    name = min(rows, key=lambda each: (math.isnan(rows[each]), rows[each]))
    fewer = ratio_text("n_samples", rows[name], whole) if rows[name] < whole else None
    return f"{text} {quoted(name)} trains on {fewer} rows." if fewer else text


def _why_none(comparison, verdicts):
    scorer = comparison.scorers[0]
    if by_first := list(verdicts.index[verdicts["verdict"] == "not worse"]):
        return f"{listed(by_first)} met the margin of {scorer} alone."
    if verdicts["p_value"].isna().all() and verdicts["difference"].notna().any():
        return "These folds allow no test of a difference."
    tested = verdicts[~verdicts["verdict"].isin(["not tested", "failed"])]
    if tested.empty and comparison.failures:
        failed = listed(list(comparison.failures))
        return f"{failed} failed, so later variants of a chain were not tested."
    margins = tested["certifiable_margin"].replace(np.inf, np.nan).dropna()
    if margins.empty:
        return "These folds cannot certify any margin."
    name = margins.idxmin()
    of = f" in {scorer}" if len(comparison.scorers) > 1 else ""
    return (
        "The smallest margin these data could certify is "
        f"{rounded_up(margins[name])}{of}, for {quoted(name)} "
        f"({_difference_text(verdicts.loc[name], comparison.alpha)})."
    )
