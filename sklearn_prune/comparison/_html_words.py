"""What a report says in sentences, as plain text."""

import math

import numpy as np

from sklearn_prune.comparison._displays_common import (
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


def quoted(name):
    """A name of the user's in quotation marks, cut where it is very long."""
    return f"“{shorten(name, 80)}”"


def times(measure, value, baseline):
    """Say by what factor a cost is less or more, such as "24 times smaller".

    Returns None where one of the two is unknown, and "" where they differ by less than
    two per cent.
    """
    if not (math.isfinite(value) and math.isfinite(baseline) and value > 0 < baseline):
        return None
    less, more = COMPARED[measure]
    ratio = max(value / baseline, baseline / value)
    if ratio < 1.02:
        return ""
    shown = human_number(ratio, 2 if ratio < 100 else 3)
    return f"{shown} times {less if value < baseline else more}"


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


def difference_in_words(row, alpha):
    """Write the difference of a variant with its interval."""
    difference, interval = difference_and_interval(row)
    text = f"difference {difference}"
    return f"{text}, {percent(1 - alpha)} interval {interval}" if interval else text


def headline(comparison, means, verdicts):
    """Say in a sentence or two what a manager has to know."""
    scorer = comparison.scorers[0]
    margin = human_number(comparison.margins.get(scorer, math.nan))
    passed = verdicts.index[verdicts["verdict"] == "not worse"]
    if len(passed):
        return _of_the_smallest(comparison, means, verdicts, passed, margin)
    if not len(verdicts):
        return "Nothing was compared with the baseline."
    words = (
        f"No variant could be shown to be not worse than {quoted(comparison.baseline)} "
        f"by more than {margin} in {scorer}"
    )
    tested = verdicts[~verdicts["verdict"].isin(["not tested", "failed"])]
    reachable = tested["certifiable_margin"].replace(np.inf, np.nan).dropna()
    if reachable.empty:
        return f"{words}; with these folds no margin could be."
    name = reachable.idxmin()
    return (
        f"{words}: with these data a margin of {rounded_up(reachable[name])} could be, "
        f"for {quoted(name)} ({difference_in_words(verdicts.loc[name], comparison.alpha)})."
    )


def pick(comparison, passed):
    """The smallest variant that is not worse; where bytes are unknown, the last passed."""
    try:
        name = comparison.smallest_not_worse("nbytes")
    except ValueError:
        name = None
    if name is None or (name not in passed and name != comparison.baseline):
        name = passed[-1]
    return name


def _of_the_smallest(comparison, means, verdicts, passed, margin):
    scorer, base = comparison.scorers[0], comparison.baseline
    name = pick(comparison, passed)
    if name == base:
        return (
            f"{_listed([quoted(each) for each in passed])} "
            f"{'is' if len(passed) == 1 else 'are'} not worse than {quoted(base)} by more "
            f"than {margin} in {scorer}, but none is smaller."
        )
    gains = []
    for measure, verb in (("nbytes", "is"), ("predict_latency", "predicts")):
        gain = times(
            measure,
            mean_of(means, name, "variant", measure),
            mean_of(means, base, "baseline", measure),
        )
        if gain:
            gains.append(f"{verb} {gain}")
    found = difference_in_words(verdicts.loc[name], comparison.alpha)
    text = f"its {scorer} is not worse by more than {margin} ({found})."
    if not gains:
        return f"{quoted(name)} is no smaller than {quoted(base)}; {text}"
    return f"{quoted(name)} {' and '.join(gains)} than {quoted(base)}; {text}"


def random_in_words(comparison, means, verdicts):
    """Say how the picked variant stands beside its random control, or None."""
    passed = verdicts.index[verdicts["verdict"] == "not worse"]
    if not len(passed):
        return None
    name, scorer = pick(comparison, passed), comparison.scorers[0]
    random = mean_of(means, name, "random", scorer)
    if name == comparison.baseline or not math.isfinite(random):
        return None
    score = verdicts.loc[name, "score"]
    if score > random:
        standing = f"{human_number(score - random, 2)} less than the choice made here"
    else:
        standing = "which is no less: the way of choosing brought nothing here"
    return (
        f"The same size chosen at random reaches {human_number(random)} in {scorer}, "
        f"{standing}."
    )


def in_short(means, comparison):
    """What was compared, in a line."""
    scorer, base = comparison.scorers[0], comparison.baseline
    others = len(comparison.variants) - 1
    score = mean_of(means, base, "baseline", scorer)
    size = human_measure("nbytes", mean_of(means, base, "baseline", "nbytes"))
    return (
        f"{others} variant{'s' if others != 1 else ''} against {quoted(base)} "
        f"({scorer} {human_number(score)}, {size}), on the same {comparison.n_splits} "
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
        "“Undecided” means: these data cannot tell. The smallest margin under a verdict is "
        "that for which the verdict would be “not worse”.",
        "Probabilities and intervals come from the differences between variant and "
        "baseline on the same splits, by the t-test that is corrected for the rows that training "
        "sets share (Nadeau and Bengio, 2003; read as probabilities: Benavoli and others, "
        "2017). An interval may hold zero and the verdict still be “not worse”: the margin "
        "is what counts.",
    ]
    n_chains = len(comparison.chains)
    longest = max(map(len, comparison.chains.values()), default=0)
    if longest > 1:
        paragraphs.append(
            "Variants that differ only in how much they keep form a chain. A chain is "
            "tested from the mildest to the hardest and stops at the first that is not "
            "“not worse”; the rest are “not tested”. Therefore the smallest that passes is "
            f"wrong at most {percent(alpha)} of the time, however long the chain."
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


def chains_in_words(comparison):
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
    texts = list(texts)
    if len(texts) > 3:
        texts = [*texts[:2], f"{len(texts) - 2} others"]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
