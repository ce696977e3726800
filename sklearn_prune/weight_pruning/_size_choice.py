"""How large a pruned model is made: the choice among options and sizes by inner scores."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.stats import beta

LABEL, SOFT, LOG, CHANGED = range(4)  # quantities of each row
N_QUANTITIES = 4
LOG_LIMIT = 0.01  # rise of the log loss that keep="auto" allows, as a share of it
LEAST_LOG_LIMIT = 0.005
LOG_SHARE = 0.1  # of the log loss in the score by which an option is picked
MOST_TRIED = 3  # options in the folds after the first
ENOUGH_USED = 0.8  # of a float keep: smaller options have to be better


@dataclass(frozen=True)
class Criterion:
    """Losses of pruned models against the full one, and how large they may be.

    Parameters
    ----------
    losses : ndarray of shape (n_options, n_shares, n_scores)
        One for each row, or for each fold.
    folds : ndarray of shape (n_scores,), int
        Fold of each.
    limit : float
        Largest mean loss.
    with_error : bool
        Whether one standard error is added to the mean.
    share : float
        Weight of the mean in the score by which an option is picked.
    is_log_loss : bool
        Whether the losses are those of the log loss, or of the hinge loss.
    """

    losses: np.ndarray
    folds: np.ndarray
    limit: float
    with_error: bool = True
    share: float = 1.0
    is_log_loss: bool = False

    def means(self, left_out=None):
        """Mean losses of shape (n_options, n_shares), without the scores of one fold."""
        return self._elsewhere(left_out).mean(axis=-1)

    def bounds(self, left_out=None):
        """The same with one standard error, where the criterion has it."""
        losses = self._elsewhere(left_out)
        error = standard_error(losses) if self.with_error else 0.0
        return losses.mean(axis=-1) + error

    def _elsewhere(self, left_out):
        if left_out is None:
            return self.losses
        return self.losses[..., self.folds != left_out]

    def crossed(self, best):
        """Losses of shape (n_shares, n_scores), given the option in each fold and size."""
        shares = np.arange(self.losses.shape[1])
        return self.losses[best[self.folds].T, shares[:, None], np.arange(len(self.folds))]


@dataclass(frozen=True)
class Curve:
    """Inner scores of the full model and of the options at each size.

    Parameters
    ----------
    whole : ndarray of shape (n_quantities, n_rows)
        Label score, soft label score, log score and whether the label changed (how far
        the answer of a regressor did), of the full model.
    pruned : ndarray of shape (n_options, n_shares, n_quantities, n_rows)
        The same of the pruned ones.
    folds : ndarray of shape (n_rows,), int
        Fold of each row.
    weights : tuple of ndarray of shape (n_rows,)
        Each of them must hold.
    target : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Targets of the rows.
    scores : tuple of ndarray of shape (n_folds,) and (n_options, n_shares, n_folds)
        The user's scores of the full model and of the pruned ones; None without any.
    used : ndarray of shape (n_options, n_shares)
        Shares of the parameters that the pruned models store.
    options : ndarray of shape (n_options,), int
        Numbers of the options among those that were asked for.
    groups : ndarray of shape (n_rows,) or None
        Groups of the rows, which are what the bound of the churn counts.
    seed_churn : float or None
        Share of the labels that a second seed of the full model changes, if it was asked
        for.
    limits_log_loss : bool
        Whether the rise of the log loss is limited.
    full : ndarray or None
        `whole` of the full model, where `whole` is of something better.
    shares : tuple of float or int
        The sizes, descending.
    smooths : bool
        Whether losses are averaged over neighbouring sizes before they are compared.
    is_regression : bool
        Whether the answers are numbers.
    """

    whole: np.ndarray
    pruned: np.ndarray
    folds: np.ndarray
    weights: tuple
    target: np.ndarray
    scores: tuple | None
    used: np.ndarray
    options: np.ndarray
    groups: np.ndarray | None = None
    seed_churn: float | None = None
    limits_log_loss: bool = True
    full: np.ndarray | None = None
    shares: tuple = ()
    smooths: bool = True
    is_regression: bool = False

    def losses(self, quantity, weights):
        """Weighted losses by row, of shape (n_options, n_shares, n_rows)."""
        relative = weights / max(weights.mean(), 1e-300)
        return (self.whole[quantity] - self.pruned[:, :, quantity]) * relative

    def against_best(self):
        """The same against the best of the full model and the pruned ones.

        What is best is found for each quantity on its own. A size may lose as much as the
        full model does.
        """
        whole, weights = self.whole.copy(), self.weights[-1]
        for quantity in (LABEL, SOFT, LOG):
            means = self.pruned[:, :, quantity] @ weights
            number = np.unravel_index(np.argmax(np.round(means, 9)), means.shape)
            if means[number] > whole[quantity] @ weights:
                whole[quantity] = self.pruned[(*number, quantity)]
        return replace(self, whole=whole, full=self.whole)

    @property
    def relative(self):
        """The sample weights of the rows over their mean."""
        return self.weights[-1] / max(self.weights[-1].mean(), 1e-300)

    @cached_property
    def log_size(self):
        """The log loss of the full model, by the sample weights; NaN without one."""
        return float(np.average(-self.whole[LOG], weights=self.weights[-1]))

    def criteria(self, tolerance):
        """What a size has to meet, as a list of `Criterion`."""
        found = []
        is_soft = not np.array_equal(self.whole[SOFT], self.whole[LABEL])
        if self.scores is not None:
            whole, pruned = self.scores
            found.append(Criterion(whole - pruned, np.arange(len(whole)), tolerance))
        for weights in self.weights:
            if self.scores is None:
                limit = self._limit(tolerance, SOFT, weights)
                soft = self.losses(SOFT, weights)
                found.append(Criterion(soft, self.folds, limit))
            if self.scores is None and is_soft:
                limit = self._limit(tolerance, LABEL, weights, with_error=False)
                hard = self.losses(LABEL, weights)
                found.append(Criterion(hard, self.folds, limit, False, 0.0))
            if self.limits_log_loss and not np.isnan(self.log_size):
                size = float(np.average(-self.whole[LOG], weights=weights))
                limit = max(LOG_LIMIT * size, LEAST_LOG_LIMIT)
                limit = self._limit(limit, LOG, weights)
                share = LOG_SHARE / size if size > 0 and self.scores is None else 0.0
                logs = self.losses(LOG, weights)
                log = Criterion(logs, self.folds, limit, share=share, is_log_loss=True)
                found.append(log)
        return found

    def _limit(self, limit, quantity, weights, *, with_error=True):
        """A limit, or what the full model loses of a quantity, if that is more."""
        if self.full is None:
            return limit
        relative = weights / max(weights.mean(), 1e-300)
        lost = (self.whole[quantity] - self.full[quantity]) * relative
        error = standard_error(lost) if with_error else 0.0
        return max(limit, float(lost.mean() + error) * (1 + 1e-9))

    def utility(self, criteria, left_out=None):
        """How good each option is at each size, of shape (n_options, n_shares).

        The mean soft label score and a tenth of the relative log score; with class
        weights see `reserve`.
        """
        if len(self.weights) > 1:
            return self.reserve(criteria, left_out)
        means = [one.share * one.means(left_out) for one in criteria]
        return -np.round(sum(means), 12)

    def reserve(self, criteria, left_out=None):
        """The worst of all criteria, each over its limit, with a minus sign.

        An option that is within all limits is better than one that exceeds one of them.
        Standard errors count, so that of two options the one that changes less is taken.
        """
        ratios = [one.bounds(left_out) / max(one.limit, 1e-12) for one in criteria]
        return -np.round(np.max(ratios, axis=0), 9)

    def best_options(self, criteria, max_churn=None):
        """The best option at each size, and in each fold the one best in the others.

        The best of several on the same rows is so partly by chance. `max_churn` is one
        more limit.
        """
        if max_churn is not None:
            churn = Criterion(self.pruned[:, :, CHANGED], self.folds, max_churn)
            criteria = [*criteria, churn]
        best = self.reserve(criteria).argmax(axis=0)
        n_folds = 1 + max(one.folds.max() for one in criteria)
        if n_folds == 1:
            return best, best[None]
        elsewhere = [self.reserve(criteria, f).argmax(axis=0) for f in range(n_folds)]
        return best, np.array(elsewhere)

    def crossed(self, quantity, elsewhere):
        """A quantity of shape (n_shares, n_rows), given the options in each fold."""
        shares = np.arange(self.pruned.shape[1])[:, None]
        rows = np.arange(len(self.folds))
        return self.pruned[elsewhere[self.folds].T, shares, quantity, rows]

    def churn_bounds(self, elsewhere):
        """Upper 95 % Clopper-Pearson bounds of the churn by size; groups count once."""
        changed = self.crossed(CHANGED, elsewhere)
        if self.groups is not None:
            _, codes, counts = np.unique(
                self.groups, return_inverse=True, return_counts=True
            )
            sums = [np.bincount(codes, row, len(counts)) for row in changed]
            changed = np.array(sums) / counts
        n, n_changed = changed.shape[1], changed.sum(axis=1)
        return np.where(n_changed < n, beta.ppf(0.95, n_changed + 1, n - n_changed), 1.0)

    def score_losses(self, elsewhere):
        """Losses, (n_shares, n_scores), with class weights if any, and without them."""
        if self.scores is not None:
            n_folds, n_shares = elsewhere.shape
            place, folds = np.arange(n_shares)[:, None], np.arange(n_folds)
            return [(self.scores[0] - self.scores[1])[elsewhere.T, place, folds]]
        lost = self.whole[LABEL] - self.crossed(LABEL, elsewhere)
        return [lost * weights / max(weights.mean(), 1e-300) for weights in self.weights]

    def entries(self, shares, best, elsewhere):
        """The estimates for each size, as dicts of a report."""
        plain = self.relative
        *weighted, losses = self.score_losses(elsewhere)
        logs = ((self.whole[LOG] - self.crossed(LOG, elsewhere)) * plain).mean(axis=1)
        changed = self.crossed(CHANGED, elsewhere)
        for number, share in enumerate(shares):
            entry = {
                "keep": share,
                "option": int(self.options[best[number]]),
                "loss": float(losses[number].mean()),
                "error": float(standard_error(losses[number])),
                "used": float(self.used[best[number], number]),
            }
            for own in weighted:
                entry["weighted_loss"] = float(own[number].mean())
                entry["weighted_error"] = float(standard_error(own[number]))
            if not np.isnan(self.log_size):
                entry["log_loss"] = float(logs[number] / max(self.log_size, 1e-12))
            if np.isnan(changed).any():
                pass
            elif self.is_regression:
                entry["change"] = float((changed[number] * plain).mean())
            else:
                entry["churn"] = float((changed[number] * plain).mean())
                if self.target.ndim == 1:
                    entry["churn_by_class"] = {
                        label: float(changed[number, self.target == label].mean())
                        for label in np.unique(self.target).tolist()
                    }
            yield entry


def worst_loss(entry):
    """Loss and standard error of an entry, with or without class weights, and which."""
    plain = entry["loss"], entry["error"], ""
    own = entry.get("weighted_loss"), entry.get("weighted_error"), ", with class weights,"
    if own[0] is not None and own[0] - own[1] > plain[0] - plain[1]:
        return own
    return plain


def standard_error(losses):
    """Standard error of the mean of the last axis; 0 for a single value."""
    n = losses.shape[-1]
    return losses.std(axis=-1, ddof=1) / np.sqrt(n) if n > 1 else 0.0 * losses[..., 0]


def smoothed(losses):
    """Losses of shape (n_shares, n_scores), averaged over neighbouring sizes."""
    numbers = np.arange(len(losses))
    kernel = np.exp(-0.5 * (numbers[:, None] - numbers) ** 2)
    return (kernel / kernel.sum(axis=1, keepdims=True)) @ losses


def worth_trying(utility):
    """Numbers of the options that are together the best, `MOST_TRIED` of them.

    `utility` has the shape (n_options, n_shares). One after the other that option is added
    which raises the sum of the best over the sizes most.
    """
    found, best = [], np.full(utility.shape[1], utility.min() - 1.0)
    for _ in range(MOST_TRIED):
        gains = np.maximum(utility, best).sum(axis=1) - best.sum()
        if gains.max() <= 0:
            break
        found.append(int(gains.argmax()))
        best = np.maximum(best, utility[found[-1]])
    return np.array(sorted(found))


def sizes_within(curve, criteria, elsewhere, max_churn=None):
    """Whether each size passes, of shape (n_shares,), bool.

    A size passes if each criterion, with its losses averaged over neighbouring sizes, is
    within its limit, and the bound of its churn is at most `max_churn`. Where sizes are
    tried from the smallest on, there is no average. A regressor then also passes without
    the standard error if its answers are those of the full model: if the mean squared
    difference is at most twice the limit, as a share of the variance.
    """
    passes = np.ones(curve.pruned.shape[1], dtype=bool)
    for one in criteria:
        losses = one.crossed(elsewhere)
        losses = smoothed(losses) if curve.smooths else losses
        errors = standard_error(losses) if one.with_error else 0.0
        within = losses.mean(axis=1) + errors <= one.limit
        if not curve.smooths and curve.is_regression and curve.scores is None:
            changes = (curve.crossed(CHANGED, elsewhere) * curve.relative).mean(axis=1)
            within |= (losses.mean(axis=1) <= one.limit) & (changes <= 2 * one.limit)
        passes &= within
    if max_churn is not None:
        passes &= curve.churn_bounds(elsewhere) <= max_churn
    return passes


def last_before_failure(passes):
    """Number of the last size before the first that fails, or None."""
    failed = np.flatnonzero(~passes)
    last = (failed[0] if len(failed) else len(passes)) - 1
    return None if last < 0 else int(last)


def best_and_largest(curve, criteria, keep):
    """Numbers of the best option at one size, and of the best that uses most of it."""
    utility, used = curve.utility(criteria)[:, 0], curve.used[:, 0]
    large = used >= min(ENOUGH_USED * keep, used.max())
    return int(utility.argmax()), int(np.where(large, utility, -np.inf).argmax())


def best_at(curve, criteria, keep):
    """The option for a float keep: the best of those that use most of it.

    An option that stores less than 0.8 of the budget is taken only if it is better by one
    standard error of the paired difference, and its plain label score is not worse.
    """
    best, largest = best_and_largest(curve, criteria, keep)
    gains, is_worse = 0.0, False
    for one in criteria:
        gain = one.losses[largest, 0] - one.losses[best, 0]
        is_worse |= not one.with_error and gain.mean() < 0
        if one.share > 0:
            gains = gains + one.share * gain
    return best if gains.mean() > standard_error(gains) and not is_worse else largest
