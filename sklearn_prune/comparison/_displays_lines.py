"""Which chains of a comparison make lines over `keep`, and on what kind of axis."""

import numpy as np

from sklearn_prune.comparison._displays_common import human_number, mean_measures, mean_of


def rows_of_chains(comparison, scorer, names, kind):
    """Points of a comparison: line, keep, score, low, high, random; and the baseline."""
    verdicts, means = comparison.verdicts(scorer), mean_measures(comparison)
    baseline = mean_of(means, comparison.baseline, "baseline", scorer)
    rows, lines = [], chains_to_draw(comparison, names, kind)
    for chain, variants in lines.items():
        line = chain
        if len(variants) > 1 and chain in comparison.variants:
            line = f"{chain} and less" if len(lines) > 1 else "pruned"
        for variant in variants:
            row = verdicts.loc[variant]
            shift = row["score"] - row["difference"]
            random = mean_of(means, variant, "random", scorer)
            ends = shift + row["ci_low"], shift + row["ci_high"]
            rows.append((line, comparison.keeps[variant], row["score"], *ends, random))
    return rows, baseline


def drawable_chains(comparison):
    """Split the chains with numbers for `keep` into fractions and counts."""
    kinds = {"fraction": {}, "number": {}}
    for chain, variants in comparison.chains.items():
        known = [name for name in variants if is_number(comparison.keeps.get(name))]
        for kind, whole in (("fraction", False), ("number", True)):
            of_kind = [
                name
                for name in known
                if isinstance(comparison.keeps[name], int | np.integer) is whole
            ]
            if of_kind:
                kinds[kind][chain] = tuple(of_kind)
    return kinds


def chains_to_draw(comparison, names, kind):
    """Return variants by chain: the chains named, and of them the kind asked for."""
    kinds = drawable_chains(comparison)
    unknown = [name for name in names or () if name not in comparison.chains]
    if unknown:
        raise ValueError(
            f"chains must name chains of the comparison. Got {unknown}. "
            f"Write some of {list(comparison.chains)}."
        )
    if kind is not None and kind not in kinds:
        raise ValueError(
            f'kind must be "fraction" or "number". Got {kind!r}. Write kind="fraction".'
        )
    if names is not None:
        kinds = {
            each: {name: found[name] for name in found if name in names}
            for each, found in kinds.items()
        }
    if kind is None:
        kind = max(kinds, key=lambda each: sum(map(len, kinds[each].values())))
    if not kinds[kind]:
        raise ValueError(
            "A curve needs variants that differ in a number for keep. Got none. Draw "
            "ScoreCostDisplay instead."
        )
    return kinds[kind]


def is_number(value):
    """Whether `keep` has a place on an axis."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def fits_axis(keep, keeps):
    """Whether a value of `keep` is of the kind of the others."""
    return float(keep) > 1 or bool((keeps <= 1).all())


def kind_of_axis(keeps):
    """Return "fraction" or "number", for one axis cannot hold both."""
    values = np.asarray(keeps, dtype=float)
    if (values > 1).any() and (values < 1).any():
        raise ValueError(
            "keep must be fractions or numbers, not both on one axis. Got "
            f"{human_number(values.min())} and {human_number(values.max())}. "
            "Write them into two displays."
        )
    return "number" if (values > 1).any() else "fraction"
