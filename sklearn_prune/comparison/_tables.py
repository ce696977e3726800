"""Tables of a comparison: all measurements, their means, and what was kept."""

from dataclasses import dataclass

import numpy as np

from sklearn_prune._optional import import_or_raise
from sklearn_prune.comparison._agreement import feature_stability, row_stability

_WITH_IDENTITY = ("feature", "input", "coefficient")  # the same thing in every fit


@dataclass(frozen=True)
class _Stable:
    value: float
    low: float
    high: float


class ComparisonTables:
    """The tables that `PruningComparison` gives."""

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
            (seconds for 1 row and for 1,000 rows, on the first fold), "churn" (other
            labels than the baseline's, or mean absolute difference) and "seed_churn"
            (the same against a fit with other seeds, on the first fold).
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
        return measures

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
            the verdict by the primary scorer; means of the costs; `churn`, `seed_churn`
            and `stability`.
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
            measured = [self._measures(fit) for fit in self._fits[name]]
            row["churn"] = float(np.mean([one.get("churn", np.nan) for one in measured]))
            row["stability"] = stability.get(name, np.nan)
            rows[name] = row
        return pandas.DataFrame.from_dict(rows, orient="index").rename_axis("variant")

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
            return _Stable(value, np.nan, np.nan)
        if unit in _WITH_IDENTITY and known:
            masks = np.array([np.unpackbits(one.mask, count=one.n_units) for one in kept])
            return feature_stability(masks.astype(bool))
        return _Stable(np.nan, np.nan, np.nan)

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
