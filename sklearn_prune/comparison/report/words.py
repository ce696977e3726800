"""What a report says in sentences, as plain text."""

import math

import numpy as np

from sklearn_prune.comparison.displays import (
    UNKNOWN,
    human_measure,
    human_number,
    mean_of,
    shorten,
)

SIGNS = {
    "baseline": "★",
    "not worse": "✓",
    "worse": "✗",
    "undecided": "?",
    "not tested": UNKNOWN,
    "failed": "!",
}
# Words for less and more of a cost.
COMPARED = {
    "nbytes": ("smaller", "larger"),
    "n_params": ("fewer", "more"),
    "n_nonzero": ("fewer", "more"),
    "n_samples": ("fewer", "more"),
    "fit_time": ("faster", "slower"),
    "predict_latency": ("faster", "slower"),
    "predict_latency_1000": ("faster", "slower"),
}


WORDS_FOR_LESS = {
    "nbytes": "smaller",
    "n_params": "smaller",
    "n_nonzero": "smaller",
    "n_samples": "trained on fewer rows",
    "fit_time": "faster to fit",
    "predict_latency": "faster",
    "predict_latency_1000": "faster",
    "seed_churn": "steadier",
}


def quoted(name):
    """A name of the user's in quotation marks, cut where it is very long."""
    return f"“{shorten(name, 80)}”"


def ratio_text(measure, value, baseline, *, sign=" times"):
    """Say by what factor a cost is less or more, such as "24 times smaller".

    Returns None where one of the two is unknown, and "" where they differ by less than
    five per cent.
    """
    if not (math.isfinite(value) and math.isfinite(baseline) and value > 0 < baseline):
        return None
    less, more = COMPARED[measure]
    ratio = max(value / baseline, baseline / value)
    if ratio < 1.05:
        return ""
    shown = human_number(ratio, 2 if ratio < 100 else 3)
    return f"{shown}{sign} {less if value < baseline else more}"


def percent(share):
    """Write a share as per cent."""
    return f"{human_number(100 * share)} %"


def signed(value, decimals):
    """Write a difference with its sign."""
    if not np.isfinite(value):
        return UNKNOWN
    text = f"{abs(value):,.{decimals}f}"
    if not float(text.replace(",", "")):
        return text
    return ("\N{MINUS SIGN}" if value < 0 else "+") + text


def difference_and_interval(row):
    """Write a difference and its interval, to two digits of the interval's half width.

    Parameters
    ----------
    row : Series
        A row of `PruningComparison.verdicts`.

    Returns
    -------
    difference : str
        With its sign.
    interval : str or None
        None where the interval is not finite.
    """
    low, high = row["ci_low"], row["ci_high"]
    known = bool(np.isfinite([low, high]).all())
    size = (high - low) / 2 if known and high > low else abs(row["difference"])
    decimals = 3
    if np.isfinite(size) and size > 0:
        decimals = min(max(1 - math.floor(math.log10(size)), 0), 12)
    interval = f"{signed(low, decimals)} to {signed(high, decimals)}" if known else None
    return signed(row["difference"], decimals), interval


def difference_text(row, alpha):
    """Write the difference of a variant with its interval."""
    difference, interval = difference_and_interval(row)
    text = f"difference {difference}"
    return f"{text}, {percent(1 - alpha)} interval {interval}" if interval else text


def passed_in_all(comparison):
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
    passed = passed_in_all(comparison)
    if not passed:
        return None
    try:
        name = comparison.smallest_not_worse(cost)
    except ValueError:  # the cost was not measured
        return passed[-1]
    return None if name == comparison.baseline else name


def headline(comparison, means, verdicts, cost="nbytes"):
    """Say in a sentence or two what a manager has to know."""
    passed = passed_in_all(comparison)
    name = picked_variant(comparison, cost)
    if name is not None:
        return _of_the_picked(comparison, means, verdicts, name, cost)
    if passed:
        return _of_the_no_cheaper(comparison, means, passed, cost)
    if not len(verdicts):
        return "Nothing was compared with the baseline."
    words = (
        f"No variant could be shown to be not worse than {quoted(comparison.baseline)} "
        f"by more than {_margin(comparison)} in {_scores(comparison)}"
    )
    by_first = list(verdicts.index[verdicts["verdict"] == "not worse"])
    if by_first:
        return f"{words}; by {comparison.scorers[0]} alone, {_listed(by_first)} could."
    tested = verdicts[~verdicts["verdict"].isin(["not tested", "failed"])]
    reachable = tested["certifiable_margin"].replace(np.inf, np.nan).dropna()
    if verdicts["p_value"].isna().all() and verdicts["difference"].notna().any():
        return f"{words}: such folds allow no test of a difference."
    if tested.empty and comparison.failures:
        failed = _listed(list(comparison.failures))
        return f"{words}: {failed} failed, and what comes after in a chain is not tested."
    if reachable.empty:
        return f"{words}; with these folds no margin could be."
    name = reachable.idxmin()
    of = f" in {comparison.scorers[0]}" if len(comparison.scorers) > 1 else ""
    return (
        f"{words}: with these data a margin of {rounded_up(reachable[name])}{of} could be, "
        f"for {quoted(name)} "
        f"({difference_text(verdicts.loc[name], comparison.alpha)})."
    )


def _margin(comparison):
    if len(comparison.scorers) > 1:
        return "the margin"
    return human_number(comparison.margins.get(comparison.scorers[0], math.nan))


def _scores(comparison):
    if len(comparison.scorers) == 1:
        return comparison.scorers[0]
    return f"every score ({', '.join(comparison.scorers)})"


def _of_the_picked(comparison, means, verdicts, name, cost):
    scorer, base = comparison.scorers[0], comparison.baseline
    gains = _gains(comparison, means, name, cost)
    found = difference_text(verdicts.loc[name], comparison.alpha)
    margin = human_number(comparison.margins.get(scorer, math.nan))
    text = f"its {scorer} is not worse by more than {margin} ({found})"
    if len(comparison.scorers) > 1:
        others = ", ".join(comparison.scorers[1:])
        text = f"{text}, nor is it worse in {others}"
    if not gains:
        return f"{quoted(name)} costs no less than {quoted(base)}; {text}."
    gains = " and ".join([", ".join(gains[:-1]), gains[-1]] if gains[1:] else gains)
    return f"{quoted(name)} {gains} than {quoted(base)}; {text}."


def _of_the_no_cheaper(comparison, means, passed, cost):
    known = {name: mean_of(means, name, "variant", "n_samples") for name in passed}
    text = (
        f"{_listed(passed)} {'is' if len(passed) == 1 else 'are'} not worse than "
        f"{quoted(comparison.baseline)} by more than {_margin(comparison)} in "
        f"{_scores(comparison)}, but {'it is not' if len(passed) == 1 else 'none is'} "
        f"{WORDS_FOR_LESS[cost]}"
    )
    if cost == "n_samples":
        return f"{text}."
    name = min(known, key=lambda each: (math.isnan(known[each]), known[each]))
    rows = _gain(comparison, means, name, "n_samples", fewer_only=True)
    subject = "it" if len(passed) == 1 else quoted(name)
    return f"{text}; {subject} trains on {rows} rows." if rows else f"{text}."


def _gains(comparison, means, name, cost):
    """What a variant gains, as parts of a sentence, the cost in question first."""
    parts = {
        "n_params": "has {} parameters",
        "n_nonzero": "has {} parameters that are not zero",
        "fit_time": "is {} to fit",
        "predict_latency_1000": "predicts 1,000 rows {}",
        "nbytes": "is {}",
        "n_samples": "trains on {} rows",
        "predict_latency": "predicts {}",
    }
    gains = []
    for measure in dict.fromkeys((cost, "nbytes", "n_samples", "predict_latency")):
        part = parts.get(measure, "")
        if not part or measure not in means.columns:
            continue
        only = measure == "n_samples"
        gain = _gain(comparison, means, name, measure, fewer_only=only)
        gains += [part.format(gain)] if gain else []
    return gains


def _gain(comparison, means, name, measure, *, fewer_only=False):
    value = mean_of(means, name, "variant", measure)
    whole = mean_of(means, comparison.baseline, "baseline", measure)
    return None if fewer_only and value > whole else ratio_text(measure, value, whole)


def beside_random(comparison, means, verdicts):
    """Say how the variants stand beside their random controls; a list of sentences."""
    scorer, name = comparison.scorers[0], picked_variant(comparison)
    lines, beaten, n_controls = [], [], 0
    for variant in verdicts.index:
        random = mean_of(means, variant, "random", scorer)
        score = verdicts.loc[variant, "score"]
        if not (math.isfinite(random) and math.isfinite(score)) or score == random:
            continue  # unknown, or chosen at random itself
        n_controls += 1
        if score < random:
            beaten.append(variant)
        elif variant == name:
            lines.append(
                f"The same size chosen at random reaches {human_number(random)} in "
                f"{scorer}, {human_number(score - random, 2)} less than the choice made "
                "here."
            )
    if beaten:
        lines.append(
            f"{len(beaten)} of {n_controls} variants "
            f"{'does' if len(beaten) == 1 else 'do'} not score higher in {scorer} than "
            f"the same size chosen at random: {_listed(beaten)}."
        )
    return lines


def in_short(means, comparison):
    """What was compared, in a line."""
    scorer, base = comparison.scorers[0], comparison.baseline
    others = len(comparison.variants) - 1
    score = mean_of(means, base, "baseline", scorer)
    size = mean_of(means, base, "baseline", "nbytes")
    size = f", {human_measure('nbytes', size)}" if math.isfinite(size) else ""
    return (
        f"{others} variant{'s' if others != 1 else ''} against {quoted(base)} "
        f"({scorer} {human_number(score)}{size}), on the same {comparison.n_splits} "
        "train and test splits."
    )


def how_to_read(comparison):
    """Paragraphs that say what verdicts, chains and alpha mean."""
    scorer = comparison.scorers[0]
    margin = human_number(comparison.margins.get(scorer, math.nan))
    alpha = comparison.alpha
    paragraphs = [
        f"“Not worse” means: with a probability of at least {percent(1 - alpha)}, the true "
        f"{scorer} of the variant lies less than the margin, {margin}, below that of the "
        "baseline. “Worse” means: with at least that probability it lies further below. "
        "“Undecided” means: these data cannot tell. “Margin ≥” under a verdict names the "
        "smallest margin for which it would be “not worse”.",
        "Probabilities and intervals come from the differences between variant and "
        "baseline on the same splits, by the t-test that is corrected for the rows that "
        "training sets share (Nadeau and Bengio, 2003; read as probabilities: Benavoli and "
        "others, 2017). A variant may be not worse although its interval lies below zero: "
        "the margin is what counts.",
    ]
    n_chains = len(comparison.chains)
    longest = max(map(len, comparison.chains.values()), default=0)
    if longest > 1:
        paragraphs.append(
            "Variants that differ only in how much they keep form a chain. A chain is "
            "tested from the mildest to the hardest and stops at the first that is not "
            "“not worse”; the rest are “not tested”. Therefore the smallest that passes is "
            f"wrong in {percent(alpha)} of cases by the theory of the test, however long "
            "the chain; with nearest neighbours and small losses of R2, more often."
        )
    if n_chains > 1:
        paragraphs.append(
            f"There are {n_chains} chains, so each is tested at {percent(alpha)} divided "
            f"by {n_chains}: a probability of {percent(1 - alpha / n_chains)} is asked for "
            "instead, so that all chains together are wrong no more often."
        )
    paragraphs.append(
        "“Random” is a control: the same model and the same size, chosen at random. A way "
        "of choosing that does not beat it brings nothing. “Small”, where it is shown, is "
        "a model of that size trained from scratch."
    )
    return paragraphs


def lines_of_chains(comparison):
    """One line for each chain with more than one variant."""
    return [
        f"{shorten(chain, 80)}: " + " → ".join(shorten(name, 60) for name in names)
        for chain, names in comparison.chains.items()
        if len(names) > 1
    ]


def rounded_up(margin):
    """Write a margin with two digits, rounded up so that it still holds."""
    step = 10.0 ** (math.floor(math.log10(margin)) - 1) if margin > 0 else 1.0
    return human_number(math.ceil(round(margin / step, 6)) * step)


def _listed(texts):
    texts = [quoted(text) for text in texts]
    if len(texts) > 3:
        texts = [*texts[:2], f"{len(texts) - 2} others"]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
