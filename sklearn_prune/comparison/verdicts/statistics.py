"""What the scores of folds say about the difference between two models."""

from dataclasses import dataclass
from math import ceil, inf, isnan, log10, nan, sqrt

import numpy as np
from scipy import stats

SIGNIFICANT_DIGITS = 12


def share_of_test(splits, groups=None):
    """Share of the test rows in all rows of the splits, pairs of (train, test).

    Sum of the test sizes over the sum of the train and test sizes. Folds of a k-fold
    splitter give 1 / k, whatever their sizes. With `groups`, distinct groups are counted
    instead of rows.

    Examples
    --------
    >>> from sklearn.model_selection import KFold
    >>> share_of_test(KFold(5).split(range(13)))
    0.2
    """
    groups = None if groups is None else np.asarray(groups)

    def size(rows):
        return len(rows) if groups is None else len(np.unique(groups[rows]))

    sizes = [(size(train), size(test)) for train, test in splits]
    n_test = sum(test for _, test in sizes)
    return n_test / (n_test + sum(train for train, _ in sizes))


def looks_forward(splits):
    """Whether every split trains on rows that all come before its test rows.

    Such splits, as of TimeSeriesSplit, train on ever more rows: the corrected variance
    does not hold for them, and no p-value should be given.
    """
    return all(np.max(train) < np.min(test) for train, test in splits)


@dataclass(frozen=True)
class Posterior:
    """What the folds say about the true difference, variant minus baseline.

    A Student distribution with a location and a scale. Read by a frequentist, it is the
    corrected resampled t-test [1]_; read by a Bayesian, the posterior of the correlated
    t-test [2]_: one formula gives the interval, the p-value and the probabilities.

    Three cases have no t. A scale of 0 is a point mass at the mean; the point counts as
    above a bound that it lies on, so that a difference of exactly minus the margin is not
    worse. A scale of NaN beside a mean (one fold) knows nothing: its interval is the real
    line and its probabilities are NaN. A mean of NaN (a score was not finite) makes
    everything NaN.

    Parameters
    ----------
    mean : float
        Mean difference over the folds; positive where the variant scores higher.
    scale : float
        Corrected standard error of the mean.
    df : int
        Degrees of freedom, the number of folds less one.

    References
    ----------
    .. [1] Nadeau, Bengio (2003). Inference for the generalization error. Machine
       Learning 52.
    .. [2] Benavoli, Corani, Demšar, Zaffalon (2017). Time for a change: a tutorial for
       comparing multiple classifiers through Bayesian analysis. JMLR 18.

    Examples
    --------
    >>> posterior = Posterior(mean=-0.004, scale=0.003, df=19)
    >>> round(posterior.above(-0.01), 3)
    0.97
    >>> round(posterior.lower_bound(0.05), 4)
    -0.0092
    """

    mean: float
    scale: float
    df: int

    def above(self, x):
        """P(difference > x); 1 for a point mass that lies on x."""
        if isnan(self.scale):
            return nan
        if self.scale == 0:
            return float(self.mean >= x)
        return float(stats.t.sf((x - self.mean) / self.scale, self.df))

    @property
    def p_value(self):
        """Two-sided p-value of no difference; 1 or 0 for a point mass on or off 0."""
        if isnan(self.scale):
            return nan
        if self.scale == 0:
            return float(self.mean == 0)
        return float(2 * stats.t.sf(abs(self.mean) / self.scale, self.df))

    def interval(self, level=0.95):
        """The central interval that holds the difference with probability `level`."""
        tail = (1 - level) / 2
        return self.lower_bound(tail), self.upper_bound(tail)

    def lower_bound(self, alpha):
        """The difference exceeded with probability 1 - alpha; -inf after one fold."""
        return self.mean - self._half_width(alpha)

    def upper_bound(self, alpha):
        """The difference exceeded with probability alpha; inf after one fold."""
        return self.mean + self._half_width(alpha)

    def _half_width(self, alpha):
        if isnan(self.scale):
            return inf
        if self.scale == 0:
            return 0.0
        return self.scale * float(stats.t.isf(alpha, self.df))


def corrected_posterior(differences, test_share, *, magnitude=1.0):
    """The posterior of a difference from the scores of folds that share training rows.

    The variance of the mean over J folds is s² (1 / J + test_share / (1 - test_share)),
    where s² is the sample variance over all folds of all repeats [1]_, [2]_. The second
    term, the ratio of test to training rows, stands for what the folds have in common;
    it does not fall as folds are repeated. For r times k folds it is 1 / (k - 1), and
    the posterior that of the Bayesian correlated t-test [3]_.

    `differences` are scores of the variant minus scores of the baseline on the same folds.
    `magnitude` is the largest absolute score. A standard deviation below 1e-12 of it is
    rounding noise: the posterior is then a point mass at the mean, rounded to as many
    digits. It is all NaN where a difference is not finite; its scale is NaN for one fold.

    References
    ----------
    .. [1] Nadeau, Bengio (2003). Inference for the generalization error. Machine
       Learning 52.
    .. [2] Bouckaert, Frank (2004). Evaluating the replicability of significance tests
       for comparing learning algorithms. PAKDD.
    .. [3] Benavoli, Corani, Demšar, Zaffalon (2017). Time for a change: a tutorial for
       comparing multiple classifiers through Bayesian analysis. JMLR 18.

    Examples
    --------
    >>> posterior = corrected_posterior([0.01, -0.02, 0.0, 0.02, 0.0], test_share=0.2)
    >>> round(posterior.mean, 4), round(posterior.scale, 4), posterior.df
    (0.002, 0.0099, 4)
    """
    differences = np.asarray(differences, dtype=np.float64)
    if differences.ndim != 1 or not len(differences):
        raise ValueError(
            "differences must hold one number for each fold, at least one. Got shape "
            f"{differences.shape}. Write variant_scores - baseline_scores."
        )
    if not 0 < test_share < 1:
        raise ValueError(
            "test_share must lie between 0 and 1, both left out. Got "
            f"{test_share}. Write share_of_test(cv.split(X, y))."
        )
    n_splits = len(differences)
    if not np.isfinite(differences).all():
        return Posterior(nan, nan, n_splits - 1)
    mean = float(np.mean(differences))
    if n_splits == 1:
        return Posterior(mean, nan, 0)
    spread = float(np.std(differences, ddof=1))
    if spread <= magnitude * 10.0**-SIGNIFICANT_DIGITS:
        digits = SIGNIFICANT_DIGITS - (ceil(log10(magnitude)) if magnitude else 0)
        return Posterior(round(mean, digits), 0.0, n_splits - 1)
    scale = spread * sqrt(1 / n_splits + test_share / (1 - test_share))
    return Posterior(mean, scale, n_splits - 1)


def verdict(posterior, margin, alpha):
    """What the folds allow to say about a variant and a margin, in units of the score.

    "not worse" if P(difference > -margin) >= 1 - alpha; "worse", meaning by more than the
    margin, if that probability is at most alpha; else "undecided", as always after one fold
    and where a score was not finite. The risk `alpha` is below 0.5.

    Examples
    --------
    >>> verdict(Posterior(mean=-0.004, scale=0.003, df=19), margin=0.01, alpha=0.05)
    'not worse'
    """
    if posterior.lower_bound(alpha) >= -margin:
        return "not worse"
    if posterior.upper_bound(alpha) <= -margin:
        return "worse"
    return "undecided"


def p_equivalent(posterior, margin):
    """P(|difference| < margin), with both ends for a point mass.

    NaN after one fold and where a score was not finite.
    """
    if posterior.scale == 0:
        return float(abs(posterior.mean) <= margin)
    return posterior.above(-margin) - posterior.above(margin)


def certifiable_margin(posterior, alpha):
    """The smallest margin >= 0 for which the verdict is "not worse".

    Infinity after one fold, NaN where a score was not finite.

    Examples
    --------
    >>> posterior = Posterior(mean=-0.004, scale=0.003, df=19)
    >>> round(certifiable_margin(posterior, alpha=0.05), 4)
    0.0092
    """
    bound = posterior.lower_bound(alpha)
    return nan if isnan(bound) else max(0.0, -bound)


def fixed_sequence(verdicts):
    """Stop a chain of verdicts at the first that is not "not worse".

    Verdicts after it become "not tested". Hypotheses in an order that was fixed beforehand
    may each be tested at the full alpha as long as all before them were rejected: the risk
    of one wrong "not worse" in the whole chain stays at alpha [1]_, [2]_.

    References
    ----------
    .. [1] Maurer, Hothorn, Lehmacher (1995). Multiple comparisons in drug clinical trials
       and preclinical assays: a-priori ordered hypotheses. In Biometrie in der
       chemisch-pharmazeutischen Industrie 6.
    .. [2] Westfall, Krishen (2001). Optimally weighted, fixed sequence and gatekeeper
       multiple testing procedures. Journal of Statistical Planning and Inference 99.

    Examples
    --------
    >>> fixed_sequence(["not worse", "undecided", "not worse"])
    ['not worse', 'undecided', 'not tested']
    """
    verdicts = list(verdicts)
    passed = next(
        (i for i, found in enumerate(verdicts) if found != "not worse"), len(verdicts)
    )
    return verdicts[: passed + 1] + ["not tested"] * (len(verdicts) - passed - 1)
