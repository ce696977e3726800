"""Chains: variants that differ in how much they keep, from the mildest to the hardest."""

import re
from itertools import count, takewhile
from numbers import Integral

from sklearn.base import clone

from sklearn_prune._meta import in_one_line
from sklearn_prune._sklearn_compat import BaseSearchCV
from sklearn_prune.comparison._costs import requested_keeps
from sklearn_prune.comparison._describe import digest
from sklearn_prune.sample_selection._subset import SampleSubset


def make_chains(variants, baseline, given, n_train):
    """Chains of the variants, and the keep by which each stands in its chain.

    Parameters
    ----------
    variants : dict of str to estimator
        All of them.
    baseline : str
        Belongs to no chain.
    given : dict of str to list of str, or None
        Chains that the user fixed, mildest first; what is in none is a chain of its own.
        None finds those that differ in one `keep` only.
    n_train : float
        Mean number of training rows, to order fractions and numbers of rows.

    Returns
    -------
    chains : dict of str to tuple of str
        Mildest first. Each variant but the baseline is in one.
    keeps : dict of str to float, int, "auto" or None
        None where a variant has no `keep`, or several.

    Raises
    ------
    ValueError
        If a given chain names what is not there or is in another, or if fractions and
        numbers of units cannot be ordered.
    """
    rest = [name for name in variants if name != baseline]
    requested = {name: _given_keeps(estimator) for name, estimator in variants.items()}
    keeps = {
        name: next(iter(found.values())) if len(found) == 1 else None
        for name, found in requested.items()
    }
    if given is not None:
        return _given_chains(given, rest, baseline, variants), keeps
    groups = {}
    for name in rest:
        for parameter, keep in sorted(requested[name].items()):
            if isinstance(keep, str):
                continue
            others = clone(variants[name]).set_params(**{parameter: "any"})
            groups.setdefault((parameter, digest(others)), []).append(name)
    chains, taken = [], set()
    for (parameter, _), members in sorted(groups.items(), key=lambda item: -len(item[1])):
        members = [name for name in members if name not in taken]
        if len(members) < 2:
            continue
        taken |= set(members)
        keeps |= {name: requested[name][parameter] for name in members}
        chains.append(_ordered(members, parameter, variants, keeps, n_train))
    chains += [(name,) for name in rest if name not in taken]
    chains.sort(key=lambda chain: min(rest.index(name) for name in chain))
    names = _names(chains)
    return dict(zip(names, chains, strict=True)), keeps


def _given_keeps(estimator):
    """Requested keeps but for those that a search chooses."""
    params = estimator.get_params(deep=True) | {"": estimator}

    def is_searched(name):
        parts = name.split("__")
        outer = ("__".join(parts[:length]) for length in range(len(parts)))
        return any(isinstance(params.get(one), BaseSearchCV) for one in outer)

    keeps = requested_keeps(estimator)
    return {name: keep for name, keep in keeps.items() if not is_searched(name)}


def _given_chains(given, rest, baseline, variants):
    chains, owner = {}, {}
    if not hasattr(given, "items"):
        raise ValueError(
            "chains must map names to lists of estimators, the mildest first. Got "
            f'{in_one_line(given)[:200]}. Write {{"forest": ["keep 0.5", "keep 0.1"]}}.'
        )
    for chain, members in given.items():
        members = [members] if isinstance(members, str) else list(members)
        for name in members:
            if name not in variants:
                raise ValueError(
                    f"chains must hold names of estimators. Got {name!r} in {chain!r}. "
                    f"Write some of {', '.join(map(repr, rest))}."
                )
            if name in owner:
                raise ValueError(
                    f"an estimator can be in one chain. Got {name!r} in {owner[name]!r} "
                    f"and {chain!r}. Leave it out of one."
                )
            owner[name] = chain
        members = tuple(name for name in members if name != baseline)
        if members:
            chains[str(chain)] = members
    for name in rest:
        if name not in owner:
            chains[_unused(name, chains)] = (name,)
    return chains


def _ordered(members, parameter, variants, keeps, n_train):
    """Members from the largest keep to the smallest."""
    numbers = {name: keeps[name] for name in members}
    counts = [name for name in members if isinstance(numbers[name], Integral)]
    if counts and len(counts) < len(members):
        path = parameter.rpartition("__")[0]
        one = variants[members[0]]
        part = one.get_params(deep=True)[path] if path else one
        if not isinstance(part, SampleSubset):
            raise ValueError(
                "variants of one chain must all keep a fraction or all keep a number of "
                f"units. Got keep={numbers[counts[0]]!r} among fractions. Write chains= "
                "to say which is milder."
            )
        numbers |= {name: numbers[name] / n_train for name in counts}
    return tuple(sorted(members, key=lambda name: -numbers[name]))


def _names(chains):
    """What the names of the members have in common, or the name of the mildest."""
    names = []
    for chain in chains:
        common = chain[0]
        if len(chain) > 1:
            common = "".join(letters[0] for letters in _equal_start(chain))
            common = re.sub(r"[\s,:;=_(-]*(keep)?[\s,:;=_(-]*[\d.]*$", "", common)
        if not common or common in names:
            common = chain[0]
        names.append(_unused(common, names))
    return names


def _unused(name, names):
    """The name, or the first of "name (2)", "name (3)", ... that is not among the names."""
    free = (f"{name} ({number})" for number in count(2))
    return name if name not in names else next(one for one in free if one not in names)


def _equal_start(texts):
    return takewhile(lambda letters: len(set(letters)) == 1, zip(*texts, strict=False))
