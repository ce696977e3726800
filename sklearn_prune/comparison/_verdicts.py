"""Verdicts of a comparison: what the folds allow to say of each variant."""

from dataclasses import replace

import numpy as np

from sklearn_prune._optional import import_or_raise
from sklearn_prune.comparison._statistics import (
    certifiable_margin,
    corrected_posterior,
    fixed_sequence,
    p_equivalent,
    verdict,
)


class ComparisonVerdicts:
    """The verdicts that `PruningComparison` gives."""

    def verdicts(self, scorer=None):
        """What the folds allow to say of each variant.

        Parameters
        ----------
        scorer : str or None, default=None
            Name of the score; None is the primary one.

        Returns
        -------
        pandas.DataFrame
            Indexed by variant, without the baseline: `chain`, `keep`, `alpha` (of the
            chain), `margin`, `score`, `difference` (variant minus baseline), `ci_low`,
            `ci_high` (two-sided, level 1 - `PruningComparison.alpha`), `p_value` (of no
            difference, two-sided), `p_better`, `p_equivalent`, `p_not_worse`
            (probability that the loss is below the margin), `verdict` ("not worse",
            "worse", "undecided", "not tested", "failed") and `certifiable_margin` (the
            smallest for which the verdict would be "not worse").
        """
        pandas = import_or_raise("pandas", "PruningComparison.verdicts", extra="compare")
        scorer = self._check_scorer(scorer)
        found = self._verdicts(scorer)
        margin, rows = self.margins[scorer], {}
        for name in self.variants:
            if name == self.baseline:
                continue
            posterior = self._posterior(name, scorer)
            low, high = posterior.interval(1 - self.alpha)
            chain, word = found[name]
            rows[name] = {
                "chain": chain,
                "keep": self.keeps[name],
                "alpha": self._alpha_of_chain,
                "margin": margin,
                "score": float(np.mean(self._scores(name, scorer))),
                "difference": posterior.mean,
                "ci_low": low,
                "ci_high": high,
                "p_value": posterior.p_value,
                "p_better": posterior.above(0.0),
                "p_equivalent": p_equivalent(posterior, margin),
                "p_not_worse": posterior.above(-margin),
                "verdict": word,
                "certifiable_margin": certifiable_margin(posterior, self._alpha_of_chain),
            }
        return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("variant")

    def verdict(self, variant, scorer=None):
        """The verdict on one variant.

        Parameters
        ----------
        variant : str
            Its name.
        scorer : str or None, default=None
            Name of the score; None is the primary one.

        Returns
        -------
        str
            "baseline", "not worse", "worse", "undecided", "not tested" or "failed".
        """
        if self._check_variant(variant) == self.baseline:
            return "baseline"
        return self._verdicts(self._check_scorer(scorer))[variant][1]

    def certifiable_margin(self, variant, scorer=None):
        """The smallest margin for which a variant would be "not worse", tested alone.

        Parameters
        ----------
        variant : str
            Its name.
        scorer : str or None, default=None
            Name of the score; None is the primary one.

        Returns
        -------
        float
            In the units of the score.
        """
        posterior = self._posterior(
            self._check_variant(variant), self._check_scorer(scorer)
        )
        return certifiable_margin(posterior, self._alpha_of_chain)

    @property
    def _alpha_of_chain(self):
        return self.alpha / len(self.chains)

    def _verdicts(self, scorer):
        """Chain and verdict of each variant, gated in the order of its chain."""
        found = {}
        for chain, members in self.chains.items():
            words = []
            for name in members:
                posterior = self._posterior(name, scorer)
                failed = name in self.failures
                words.append(
                    "failed"
                    if failed
                    else verdict(posterior, self.margins[scorer], self._alpha_of_chain)
                )
            gated = fixed_sequence(words)
            for name, word, own in zip(members, gated, words, strict=True):
                found[name] = (chain, own if own == "failed" else word)
        return found

    def _posterior(self, name, scorer):
        scores = self._scores(name, scorer)
        reference = self._scores(self.baseline, scorer)
        known = np.abs([scores, reference])
        magnitude = float(known[np.isfinite(known)].max(initial=0.0)) or 1.0
        posterior = corrected_posterior(
            scores - reference, self._plan.test_share, magnitude=magnitude
        )
        if self._plan.looks_forward:
            return replace(posterior, scale=np.nan)
        return posterior
