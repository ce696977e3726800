"""What a comparison found: verdicts, tables, and how they read in a terminal."""

from dataclasses import replace
from itertools import combinations

import numpy as np

from sklearn_prune._lazy import has, import_or_raise
from sklearn_prune.comparison.verdicts.agreement import (
    Stability,
    feature_stability,
    row_stability,
)
from sklearn_prune.comparison.verdicts.statistics import (
    certifiable_margin,
    corrected_posterior,
    fixed_sequence,
    p_equivalent,
    verdict,
)
from sklearn_prune.inspection import (
    ChurnReport,
    check_churn_options,
    rank_correlation,
    top_overlap,
)

_AGREEMENT = {"rank_correlation": rank_correlation, "top5_overlap": top_overlap}
_SIZES = ("n_rules", "n_features")
_WITH_IDENTITY = ("feature", "input", "coefficient")  # the same thing in every fit
_DESCRIBED = ("log loss", "churn")
_SHOWN = {
    "nbytes": "bytes",
    "n_params": "parameters",
    "n_samples": "rows",
    "fit_time": "fit s",
    "predict_latency": "1 row s",
}


class ComparisonTables:
    """The verdicts and tables that `PruningComparison` gives."""

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

    def frame(self):
        """All measurements.

        Returns
        -------
        pandas.DataFrame
            One row for each variant, fold and measure, with the columns `variant`,
            `role` ("baseline", "variant", or the control's name beside the variant that
            it controls), `split`, `repeat`, `fold`, `seed`, `measure` and `value`.
            Measures are the scorers, "nbytes", "n_params", "n_nonzero", "n_samples"
            (rows trained on), "fit_time", "predict_latency" and "predict_latency_1000"
            (seconds for 1 row and for 1,000 rows, on the first fold), "churn" (share of
            rows with another label than the baseline's, or mean absolute difference) and
            "seed_churn" (the same against a fit with other seeds, on the first fold).
            Classifiers also have "log_loss" of the test rows, NaN without probabilities:
            those below 0.001 count as 0.001, and those of a row are divided by their sum.
            It is weighted as the first score is. A scorer of this name takes its place.
        """
        pandas = import_or_raise("pandas", "PruningComparison.frame", extra="compare")
        columns = ["variant", "role", "split", "repeat", "fold", "seed", "measure", "value"]
        rows = []
        for name, fits in self._fits.items():
            own_role = "baseline" if name == self.baseline else "variant"
            for number, fit in enumerate(fits):
                split = self._plan.splits[number]
                place = (number, split.repeat, split.fold, split.seed)
                for role, one in ((own_role, fit), *fit.controls.items()):
                    rows += [
                        (name, role, *place, measure, value)
                        for measure, value in self._measures(one).items()
                    ]
        return pandas.DataFrame(rows, columns=columns)

    def _measures(self, fit):
        if fit is None or fit.error:
            return dict.fromkeys(self.scorers, np.nan)
        measures = {**fit.scores, **fit.costs}
        if "fit_time" in self._plan.costs:
            measures["fit_time"] = fit.fit_time
        if fit.seed_churn is not None:
            measures["seed_churn"] = fit.seed_churn
        if fit.log_loss is not None:
            measures.setdefault("log_loss", fit.log_loss)  # a scorer may have this name
        for name in _SIZES:
            if np.isfinite(getattr(fit, name) or np.nan):
                measures.setdefault(name, getattr(fit, name))
        return measures

    def _mean_log_loss_and_churn(self, name):
        """Means over the folds; NaN where a fold has none."""
        fits = self._fits[name]
        losses = [np.nan if fit.log_loss is None else fit.log_loss for fit in fits]
        changed = [fit.costs.get("churn", np.nan) for fit in fits]
        return float(np.mean(losses)), float(np.mean(changed))

    def _mean_costs(self, name):
        """Mean of each cost over the folds that have it; of times, the median."""
        costs = {}
        for cost in self._plan.costs:
            values = [self._measures(fit).get(cost, np.nan) for fit in self._fits[name]]
            values = [value for value in values if np.isfinite(value)]
            middle = np.median if cost == "fit_time" else np.mean
            costs[cost] = float(middle(values)) if values else np.nan
        return costs

    def summary(self):
        """Average all that was measured.

        Returns
        -------
        pandas.DataFrame
            One row a variant, the baseline first: for each scorer its mean, `sd` over
            the folds and the mean of the random control (`random`), where there is one;
            the verdict by the primary scorer; means of the costs; `churn`, `seed_churn`,
            `log_loss` (of classifiers), `stability` and the columns of `explanations`.
        """
        pandas = import_or_raise("pandas", "PruningComparison.summary", extra="compare")
        verdicts = self._verdicts(self.scorers[0])
        stability = {name: found.value for name, _, found in self._stabilities()}
        rows = {}
        for name in sorted(self.variants, key=lambda name: name != self.baseline):
            row = {}
            for scorer in self.scorers:
                scores = self._scores(name, scorer)
                row[scorer] = float(np.mean(scores))
                row[f"{scorer}_sd"] = float(np.std(scores, ddof=1))
                for control in self._plan.controls:
                    beside = self._scores(name, scorer, control)
                    row[f"{scorer}_{control}"] = float(np.mean(beside))
            row["verdict"] = "baseline" if name == self.baseline else verdicts[name][1]
            row |= self._mean_costs(name)
            log_loss, row["churn"] = self._mean_log_loss_and_churn(name)
            if self.task == "classification":
                row.setdefault("log_loss", log_loss)
            row["stability"] = stability.get(name, np.nan)
            rows[name] = row
        table = pandas.DataFrame.from_dict(rows, orient="index").rename_axis("variant")
        return table.join(self.explanations())

    def explanations(self):
        """How long the explanations of each variant are, and how far they agree.

        Rules are those of trees, equal ones counted once. The importance of a column is its
        mean absolute SHAP value, path-dependent, over at most 50 rows that are the same for
        all fits. It is known of models of trees, except very large ones, where shap is
        installed.

        Returns
        -------
        pandas.DataFrame
            Indexed by variant, of the folds of the first repetition: `n_rules` and
            `n_features` (columns that are read), means; `explanation_rank_correlation`
            (Spearman's, over columns) and `explanation_top5_overlap` (share of the five
            most important columns that two fits have in common), means over pairs of
            folds; the same two with `seed_` before, of two seeds on the first fold. Columns
            without a value are left out.
        """
        pandas = import_or_raise(
            "pandas", "PruningComparison.explanations", extra="compare"
        )
        rows = {}
        for name, fits in self._fits.items():
            found = [fit.importances for fit in fits if fit.importances is not None]
            pairs = {"": list(combinations(found, 2))}
            if fits[0].seed_importances is not None and found:
                pairs["seed_"] = [(found[0], fits[0].seed_importances)]
            rows[name] = {
                size: _mean_of_known([getattr(fit, size) for fit in fits])
                for size in _SIZES
            } | {
                f"{of}explanation_{measure}": _mean_of_known(
                    [function(*two) for two in own]
                )
                for of, own in pairs.items()
                for measure, function in _AGREEMENT.items()
            }
        table = pandas.DataFrame.from_dict(rows, orient="index").rename_axis("variant")
        return table.dropna(axis="columns", how="all")

    def stability(self):
        """How far the folds agree on what is kept.

        Returns
        -------
        pandas.DataFrame
            Indexed by variant and unit: `stability`, Nogueira's index (1: always the
            same, 0: as by chance), and `low`, `high`, its 95 % interval for features. For
            rows it is the mean over pairs of folds, on the training rows that they share.
            NaN for units without identity across fits, such as trees.
        """
        pandas = import_or_raise("pandas", "PruningComparison.stability", extra="compare")
        rows = [
            (name, unit, found.value, found.low, found.high)
            for name, unit, found in self._stabilities()
        ]
        columns = ["variant", "unit", "stability", "low", "high"]
        return pandas.DataFrame(rows, columns=columns).set_index(["variant", "unit"])

    def _stabilities(self):
        for name, fits in self._fits.items():
            for unit, kept in self._kept_units(fits):
                yield name, unit, self._stability(unit, kept)

    def _stability(self, unit, kept):
        sizes = {one.n_units for one in kept}
        known = len(kept) == self.n_splits and len(sizes) == 1
        if unit == "row" and known:
            trained = [np.sort(split.train) for split in self._plan.splits]
            value = row_stability([one.ids for one in kept], trained)
            return Stability(value, np.nan, np.nan)
        if unit in _WITH_IDENTITY and known:
            masks = np.array([np.unpackbits(one.mask, count=one.n_units) for one in kept])
            return feature_stability(masks.astype(bool))
        return Stability(np.nan, np.nan, np.nan)

    @staticmethod
    def _kept_units(fits):
        """Each unit that the fits pruned, with what each of them kept of it."""
        units = dict.fromkeys(kept.unit for fit in fits for kept in fit.kept)
        for unit in units:
            yield unit, [kept for fit in fits for kept in fit.kept if kept.unit == unit]

    def kept(self, variant):
        """How often each row or parameter was kept.

        Parameters
        ----------
        variant : str
            Name of a variant that prunes.

        Returns
        -------
        pandas.DataFrame
            `unit`, `id` (position in X of a row, number of a parameter), `name` (of a
            feature) and `frequency`, the share of the folds that trained on it or had it
            and kept it. Empty where nothing was pruned.
        """
        pandas = import_or_raise("pandas", "PruningComparison.kept", extra="compare")
        frames = []
        for unit, kept in self._kept_units(self._fits[self._check_variant(variant)]):
            size = max(one.n_units for one in kept)
            count, there = np.zeros(size), np.zeros(size)
            for fit, split in zip(self._fits[variant], self._plan.splits, strict=True):
                for one in fit.kept:
                    if one.unit == unit:
                        count[one.ids] += 1
                        there[split.train if unit == "row" else slice(one.n_units)] += 1
            seen = np.flatnonzero(there)
            names = self._feature_names if unit in ("feature", "input") else None
            frames.append(
                pandas.DataFrame(
                    {
                        "unit": unit,
                        "id": seen,
                        "name": [str(one if names is None else names[one]) for one in seen],
                        "frequency": count[seen] / there[seen],
                    }
                )
            )
        if not frames:
            return pandas.DataFrame(columns=["unit", "id", "name", "frequency"])
        return pandas.concat(frames, ignore_index=True)

    def churn_report(self, variant, *, sure=0.6, tolerance=None):
        """Which predictions of the baseline a variant changes, with upper bounds.

        Each row is counted once: by the first fold that tests it.

        Parameters
        ----------
        variant : str
            Its name.
        sure : float, default=0.6
            A prediction of the baseline counts as sure if its probability exceeds those of
            the other classes by more than this.
        tolerance : float, default=None
            For regressors, which need it: a prediction changes if it moves by more than
            this.

        Returns
        -------
        ChurnReport
            Changes of all rows, by sureness, class and group. The bounds are for the mean
            over the models of the folds, for all lines of the report at once, at level
            `alpha`.

        Raises
        ------
        ValueError
            If there is no such variant, one that failed, or `tolerance` is missing.
        """
        fits = self._fits[self._check_variant(variant)]
        if variant in self.failures:
            raise ValueError(
                f"variant must be one that was fitted on each fold. Got {variant!r}: "
                f"{self.failures[variant]} Write the name of another."
            )
        numbers = range(len(fits))
        rows = np.concatenate([split.test for split in self._plan.splits])
        rows, first = np.unique(rows, return_index=True)
        base = self._fits[self.baseline]
        before, after, margins = (
            np.concatenate([getattr(own[number], name) for number in numbers])[first]
            if all(getattr(own[number], name) is not None for number in numbers)
            else None
            for own, name in (
                (base, "predictions"),
                (fits, "predictions"),
                (base, "margins"),
            )
        )
        is_regression = self.task == "regression"
        check_churn_options(sure, self.alpha, tolerance, is_regression)
        return ChurnReport(
            before,
            after,
            margins=margins,
            y=None if self._targets is None else self._targets[rows],
            groups=None if self._groups is None else self._groups[rows],
            sure=sure,
            tolerance=tolerance,
            alpha=self.alpha,
        )

    def kept_by_class(self, variant):
        """How many rows of each class were there, and how many were kept.

        Parameters
        ----------
        variant : str
            Name of a variant that drops rows.

        Returns
        -------
        pandas.DataFrame
            `class`, `seen` and `kept`, means over the folds; empty where no rows were
            dropped or there are no classes.
        """
        pandas = import_or_raise(
            "pandas", "PruningComparison.kept_by_class", extra="compare"
        )
        fits = self._fits[self._check_variant(variant)]
        counts = [fit.by_class for fit in fits if fit.by_class is not None]
        if not counts:
            return pandas.DataFrame(columns=["class", "seen", "kept"])
        seen, kept = np.mean(counts, axis=0)
        return pandas.DataFrame({"class": self._classes, "seen": seen, "kept": kept})


def as_text(comparison):
    """The conclusion, a table, and what to know."""
    primary = comparison.scorers[0]
    costs = [cost for cost in comparison._plan.costs if cost in _SHOWN]
    described = {name: _described(comparison, name) for name in comparison.variants}
    columns = [
        label for label in _DESCRIBED if any(label in one for one in described.values())
    ]
    header = ["", primary, "difference", "interval", "verdict", *columns]
    header += [_SHOWN[cost] for cost in costs]
    rows = [header]
    in_order = sorted(comparison.variants, key=lambda name: name != comparison.baseline)
    for name in in_order:
        scores = comparison._scores(name, primary)
        mean = np.mean(scores)
        row = [name, f"{mean:.4f}" if np.isfinite(mean) else "-"]
        if name == comparison.baseline:
            row += ["", "", "baseline"]
        else:
            posterior = comparison._posterior(name, primary)
            low, high = posterior.interval(1 - comparison.alpha)
            row += [
                f"{posterior.mean:+.4f}" if np.isfinite(posterior.mean) else "-",
                f"{low:+.4f} to {high:+.4f}" if np.isfinite([low, high]).all() else "-",
                comparison.verdict(name),
            ]
        values = comparison._mean_costs(name)
        row += [described[name].get(label, "-") for label in columns]
        rows.append([*row, *(_number(values[cost]) for cost in costs)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(width) if column in (0, 4) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    margin = comparison.margins[primary]
    n_chains = len(comparison.chains)
    about = (
        f"{comparison.n_splits} folds; margin {margin:.3g}; corrected resampled t, "
        f"{n_chains} chain{'s' if n_chains > 1 else ''}, risk {comparison.alpha:g} in all"
    )
    notes = [f"{name}: {error}" for name, error in comparison.failures.items()]
    first = [comparison.conclusion(), ""] if has("pandas") else []
    return "\n".join([*first, *lines, about, *notes, *comparison.warnings])


def _described(comparison, name):
    """What has no verdict of its own, as texts by heading: classifiers only."""
    if comparison.task != "classification":
        return {}
    log_loss, churn = comparison._mean_log_loss_and_churn(name)
    texts = {"log loss": f"{log_loss:.4f}", "churn": f"{100 * churn:.1f} %"}
    if name == comparison.baseline:
        texts["churn"] = ""
    return {label: text for label, text in texts.items() if "nan" not in text}


def _mean_of_known(values):
    """Mean of the values that are finite; NaN if none is."""
    values = [value for value in values if value is not None and np.isfinite(value)]
    return float(np.mean(values)) if values else np.nan


def _number(value):
    if not np.isfinite(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
