"""A comparison made of given numbers, with what the displays and the report read."""

import numpy as np
import pytest

from sklearn_prune.comparison.verdicts import statistics
from sklearn_prune.inspection import ChurnReport

pd = pytest.importorskip("pandas")

N_SPLITS = 20


class FakeComparison:
    """Scores of each variant are its mean plus noise that all variants share.

    Parameters
    ----------
    variants : dict
        From name to (mean score, bytes, keep, chain), the baseline first.
    rows : bool
        Whether the pruned variants drop rows, else features.
    labels : sequence of str
        Classes.
    explained : bool
        Whether explanations were compared.
    """

    def __init__(
        self,
        variants,
        *,
        margin=0.01,
        scorer="accuracy",
        controls=("random",),
        noise=0.004,
        failures=(),
        warnings=(),
        rows=False,
        n_splits=N_SPLITS,
        labels=("cat", "cow", "dog"),
        explained=True,
    ):
        self.labels, self.explained = labels, explained
        self.baseline = next(iter(variants))
        self.variants = tuple(variants)
        self.scorers = (scorer,)
        self.margins = {scorer: margin}
        self.alpha = 0.05
        self.n_splits = n_splits
        self.task = "classification"
        self.keeps = {name: spec[2] for name, spec in variants.items()}
        self.chains = {}
        for name, spec in variants.items():
            if name != self.baseline:
                self.chains.setdefault(spec[3], []).append(name)
        self.chains = {chain: tuple(names) for chain, names in self.chains.items()}
        self.failures = dict(failures)
        self.warnings = tuple(warnings)
        self.controls = controls
        self.rows = rows
        self._specs = variants
        self._noise = noise
        self._scores = self._draw()
        self.manifest = {
            "format": 1,
            "environment": {"python": "3.11.2", "numpy": "2.4.6", "scikit-learn": "1.9.1"},
            "design": {"seed": 0},
            "sha256": "ab" * 32,
        }

    def _draw(self):
        random = np.random.RandomState(0)
        shared = random.normal(scale=0.01, size=self.n_splits)
        scores = {}
        for name, (mean, *_) in self._specs.items():
            own = random.normal(scale=self._noise, size=self.n_splits)
            noise = shared + (0 if name == self.baseline else own - own.mean())
            scores[name] = mean + noise
            if name in self.failures:
                scores[name] = np.full(self.n_splits, np.nan)
        return scores

    def frame(self):
        rows = []
        whole = self._specs[self.baseline][1]
        for name, (_, nbytes, keep, _) in self._specs.items():
            for fold, score in enumerate(self._scores[name]):
                share = nbytes / whole
                values = {
                    self.scorers[0]: score,
                    "nbytes": nbytes,
                    "n_params": nbytes // 8,
                    "n_nonzero": nbytes // 8,
                    "n_samples": 1437 * (keep if self.rows and keep else 1),
                    "fit_time": 1.2 + share,
                    "predict_latency": 0.004 * share + 2e-5,
                    "predict_latency_1000": 0.02 * share + 1e-4,
                    "churn": 0.0 if name == self.baseline else 0.01,
                }
                if name in self.failures:
                    values = dict.fromkeys(values, np.nan)
                roles = {"baseline" if name == self.baseline else "variant": 0.0}
                if name != self.baseline:
                    roles |= dict.fromkeys(self.controls, 0.02)
                for role, loss in roles.items():
                    for measure, value in values.items():
                        lost = loss if measure == self.scorers[0] else 0
                        rows.append(
                            (
                                name,
                                role,
                                fold,
                                fold // 5,
                                fold % 5,
                                7,
                                measure,
                                value - lost,
                            )
                        )
        columns = ["variant", "role", "split", "repeat", "fold", "seed", "measure", "value"]
        return pd.DataFrame(rows, columns=columns)

    def verdicts(self, scorer=None):
        scorer, alpha = scorer or self.scorers[0], self.alpha / max(1, len(self.chains))
        margin, rows = self.margins[scorer], {}
        base = self._scores[self.baseline]
        for chain, names in self.chains.items():
            found = []
            for name in names:
                posterior = statistics.corrected_posterior(self._scores[name] - base, 0.2)
                low, high = posterior.interval(1 - self.alpha)
                found.append(statistics.verdict(posterior, margin, alpha))
                rows[name] = {
                    "chain": chain,
                    "keep": self.keeps[name],
                    "alpha": alpha,
                    "margin": margin,
                    "score": self._scores[name].mean(),
                    "difference": posterior.mean,
                    "ci_low": low,
                    "ci_high": high,
                    "p_value": posterior.p_value,
                    "p_better": posterior.above(0),
                    "p_equivalent": statistics.p_equivalent(posterior, margin),
                    "p_not_worse": posterior.above(-margin),
                    "verdict": "failed" if name in self.failures else found[-1],
                    "certifiable_margin": statistics.certifiable_margin(posterior, alpha),
                }
            for name, gated in zip(names, statistics.fixed_sequence(found), strict=True):
                if name not in self.failures:
                    rows[name]["verdict"] = gated
        return pd.DataFrame.from_dict(rows, orient="index")

    def smallest_not_worse(self, cost="nbytes"):
        passed = self.verdicts().query("verdict == 'not worse'").index
        return min([self.baseline, *passed], key=lambda name: self._specs[name][1])

    def stability(self):
        rows = [
            (name, "row" if self.rows else "feature", 0.71, 0.66, 0.76)
            for name in self.variants
            if name != self.baseline
        ]
        columns = ["variant", "unit", "stability", "low", "high"]
        return pd.DataFrame(rows, columns=columns).set_index(["variant", "unit"])

    def kept(self, variant):
        columns = ["unit", "id", "name", "frequency"]
        keep = self.keeps[variant]
        if variant == self.baseline or not isinstance(keep, float):
            return pd.DataFrame(columns=columns)
        random = np.random.RandomState(1)
        n, unit = (1797, "row") if self.rows else (64, "feature")
        share = np.clip(random.beta(4 * keep, 4 * (1 - keep) + 0.01, size=n).round(1), 0, 1)
        names = [None if self.rows else f"pixel_{i // 8}_{i % 8}" for i in range(n)]
        return pd.DataFrame(
            {"unit": unit, "id": np.arange(n), "name": names, "frequency": share}
        ).sort_values("frequency", ascending=False, ignore_index=True)

    def explanations(self):
        if not self.explained:
            return pd.DataFrame(index=list(self.variants))
        values = {
            "n_rules": 24.0,
            "explanation_rank_correlation": 0.84,
            "explanation_top5_overlap": 0.7,
        }
        return pd.DataFrame(values, index=list(self.variants))

    def churn_report(self, variant):
        before = np.resize(np.array(self.labels), 120)
        after = before.copy()
        after[: 5 + self.variants.index(variant)] = before[-1]
        return ChurnReport(before, after, margins=np.linspace(0, 1, 120))

    def kept_by_class(self, variant):
        if not self.rows or variant == self.baseline:
            return pd.DataFrame(columns=["class", "seen", "kept"])
        seen = np.linspace(100, 190, 10)
        return pd.DataFrame(
            {"class": np.arange(10), "seen": seen, "kept": seen * self.keeps[variant]}
        )

    def summary(self):
        return self.verdicts()


FOREST = {
    "forest, all": (0.972, 5_200_000, 1.0, None),
    "forest, keep 0.5": (0.972, 2_600_000, 0.5, "forest"),
    "forest, keep 0.2": (0.971, 1_020_000, 0.2, "forest"),
    "forest, keep 0.1": (0.970, 216_000, 0.1, "forest"),
    "forest, keep 0.05": (0.961, 98_000, 0.05, "forest"),
    "forest, keep 0.01": (0.91, 21_000, 0.01, "forest"),
    "svc, keep 0.5": (0.975, 400_000, 0.5, "svc"),
    "svc, keep 0.1": (0.965, 90_000, 0.1, "svc"),
}


def forest(**options):
    return FakeComparison(FOREST, **options)
