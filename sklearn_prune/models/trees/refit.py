"""Joint refit of all leaves of a forest."""

from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from sklearn_prune.models.trees.arrays import collapse
from sklearn_prune.models.trees.dropout import added_penalty, dropout_masks, sweep_copies
from sklearn_prune.predictors import TreeArrays, pick_trees

VOTE_SCALE = 8.0  # votes times this are scores: a vote of all is a probability of 0.98
RATE = 0.8
MERGED_AT_ONCE = 0.5  # of the sibling leaves there are
REFIT_EVERY = {"logistic": 4, "squared": 4, "softmax": 3}  # rounds of merging
LEVELS = {"logistic": 127, "squared": 127, "softmax": 15}
CLASSES_LEFT_OUT = 0.5  # of those in leaves, in the end


@dataclass(frozen=True)
class ScoredTrees:
    """Trees whose leaves add scores to an intercept.

    Parameters
    ----------
    arrays : TreeArrays
        The trees; `value` of a leaf is what it adds.
    intercept : ndarray of shape (n_outputs,)
        What the sums start from.
    scale : ndarray of shape (n_outputs,), or None
        The scores are integers from -127 to 127 times this, where they are rounded.
    """

    arrays: TreeArrays
    intercept: np.ndarray
    scale: np.ndarray | None = None

    def sums(self, leaves, counted=None):
        """Scores of rows, given the leaf of each in each tree; see `added_up`."""
        return added_up(self.arrays.value, leaves, self.intercept, counted)


class JointRefit:
    """Scores of the leaves of many trees, estimated together under a ridge penalty.

    Parameters
    ----------
    arrays : TreeArrays
        The trees.
    leaves : ndarray of shape (n_trees, n_samples), int32
        Position of the leaf of each row in each tree.
    y : ndarray
        Class codes for the losses "logistic" and "softmax"; targets of shape
        (n_samples, n_outputs) for "squared".
    weight : ndarray of shape (n_samples,), or None
        Weights of the rows.
    loss : {"logistic", "softmax", "squared"}
        What is minimised.
    strength : float
        Of the ridge penalty, in rows of weight 1.
    votes : ndarray of shape (n_nodes, width), or None
        What each node says alone: class shares or means, one more column than scores
        for "logistic". The penalty pulls towards their mean over the trees. None pulls
        towards zero.
    n_classes : int, default=2
        For "softmax".
    watched : ndarray of shape (n_trees, n_watched), int32, or None, default=None
        Leaves of rows that nothing is estimated from, but whose scores are asked for.
    l1 : bool, default=False
        Whether the penalty is on absolute values instead of squares.
    dropout : float in [0, 1), default=0.0
        Probability with which a tree is dropped for a row. Exact in the mean for
        "squared"; drawn in copies of the rows for the other losses.
    seed : int, default=0
        Of the copies.
    moves : bool, default=True
        Whether sweeps change the scores; otherwise they only set the curvatures.

    Notes
    -----
    Cost of a sweep: O(n_samples * n_trees), times the classes in a leaf for "softmax".
    """

    def __init__(
        self,
        arrays,
        leaves,
        y,
        *,
        weight=None,
        loss,
        strength,
        votes=None,
        n_classes=2,
        watched=None,
        l1=False,
        dropout=0.0,
        seed=0,
        moves=True,
    ):
        self.arrays, self.moves = arrays, moves
        self.place = None  # of nodes that were merged since rows were moved
        self.left, self.right = arrays.left, arrays.right
        self.leaf = arrays.is_leaf.copy()
        self.alive = np.ones(len(self.leaf), dtype=bool)
        self.leaves, self.watched, self.l1 = leaves, watched, l1
        self.loss, self.strength, self.rounds = loss, float(strength), 0
        self.merged = []
        n, n_trees = leaves.shape[1], arrays.n_trees
        self.dropout, self.masks = float(dropout), None
        if dropout > 0 and loss != "squared":
            self.masks = dropout_masks(dropout, n_trees, n, seed)
        weight = np.ones(n) if weight is None else np.asarray(weight, dtype=np.float64)
        self.weight = weight / max(weight.mean(), 1e-300)
        self.unit = np.ones(1)
        if loss == "squared":
            y = np.asarray(y, dtype=np.float64).reshape(n, -1)
            centre = np.average(y, axis=0, weights=self.weight)
            spread = np.sqrt(np.average((y - centre) ** 2, axis=0, weights=self.weight))
            self.unit = np.where(spread > 0, spread, 1.0)
            self.intercept = np.zeros(y.shape[1])
            self.centre = centre
            self.y = (y - centre) / self.unit
            start = None if votes is None else (votes - centre) / self.unit / n_trees
        else:
            self.y = np.asarray(y, dtype=np.int64)
            shares = np.bincount(self.y, weights=self.weight, minlength=n_classes) + 1e-3
            shares /= shares.sum()
            if loss == "logistic":
                self.intercept = np.log(shares[1:] / shares[:1])
                start = None if votes is None else votes[:, 1:2] - shares[1]
            else:
                self.intercept = np.log(shares)
                start = votes
            self.centre = np.zeros(len(self.intercept))
            start = None if start is None else start * (VOTE_SCALE / n_trees)
        if start is None:
            start = np.zeros((len(self.leaf), len(self.intercept)))
        self.prior = np.ascontiguousarray(start, dtype=np.float64)
        if loss == "softmax":
            self._first_entries()
        else:
            self.W = self.prior.copy()
            self.H = np.zeros(len(self.W))

    @property
    def n_splits(self):
        """Number of nodes that are split."""
        return int(np.count_nonzero(self.alive & ~self.leaf))

    def copy(self):
        """Another one, which goes its own way."""
        other = copy(self)
        for name in ("leaf", "alive", "W", "H"):
            setattr(other, name, getattr(self, name).copy())
        return other

    def watched_scores(self, counted=None):
        """Scores of the watched rows, shape (n_watched, n_outputs); see `added_up`."""
        self._move_rows()
        total = added_up(self._table(), self.watched, self.intercept, counted)
        return total * self.unit + self.centre

    def _table(self):
        """Scores by node, zeros for what has none."""
        if self.loss != "softmax":
            return self.W
        table = np.zeros(self.prior.shape)
        table[self.entry_node, self.column] = self.W
        return table

    def sweep(self, n_sweeps=1, *, grid=0.0):
        """Step on all trees, one after the other, some times."""
        from sklearn_prune.models.trees import kernels

        self._move_rows()
        steps = (self.strength, self.l1, RATE if grid == 0 else 1.0)
        if not self.moves:
            steps, n_sweeps = (*steps[:2], 0.0), 1
        elif self.masks is not None:
            sweep_copies(self, *self.masks, steps, n_sweeps, float(grid))
            # What follows only sets the curvatures, as they are if no tree is dropped.
            steps, n_sweeps, grid = (*steps[:2], 0.0), 1, 0.0
        if self.loss == "softmax":
            kernels.sweep_softmax(
                self.leaves, self.y, self.weight, self.arrays.start, self.intercept,
                self.first, self.column, self.W, self.entry_prior, *steps, n_sweeps,
                float(grid), self.H,
            )  # fmt: skip
            return self
        loss = kernels.LOGISTIC if self.loss == "logistic" else kernels.SQUARED
        kernels.sweep(
            self.leaves, self.y.reshape(len(self.y), -1).astype(np.float64), self.weight,
            self.arrays.start, self.intercept, self.W, self.prior, *steps, loss,
            n_sweeps, float(grid), self.H, added_penalty(self.dropout),
        )  # fmt: skip
        return self

    def n_stored(self):
        """Number of parameters that the finished trees store, at most.

        Two for each split and the scores of each leaf, in trees that have a split.
        """
        has_split, n_splits = self._has_split(), self.n_splits
        if self.loss != "softmax":
            n_leaves = n_splits + np.count_nonzero(has_split)
            return 2 * n_splits + n_leaves * self.W.shape[1]
        counts = np.zeros(len(self.leaf), dtype=np.int64)
        counts[: len(self.first) - 1] = np.diff(self.first)
        of_tree = np.add.reduceat(counts, self.arrays.start[:-1])
        n_entries = of_tree[has_split].sum()
        return int(2 * n_splits + np.ceil((1 - CLASSES_LEFT_OUT) * n_entries))

    def _has_split(self):
        """Which trees have a split; the others are constants in the intercept."""
        inner = (self.alive & ~self.leaf).astype(np.int64)
        return np.add.reduceat(inner, self.arrays.start[:-1]) > 0

    def merge_within(self, n_parameters):
        """Merge sibling leaves until the finished trees store at most `n_parameters`."""
        while self.n_splits and (excess := self.n_stored() - n_parameters) > 0:
            of_split = max(1.0, self.n_stored() / self.n_splits)
            self._merge_cheapest(max(1, int(excess / of_split)))
        return self

    def merge_to(self, n_splits):
        """Merge sibling leaves until at most `n_splits` nodes are split."""
        while self.n_splits > n_splits:
            self._merge_cheapest(self.n_splits - n_splits)
        return self

    def _merge_cheapest(self, most):
        """Merge a part of the pairs of sibling leaves, and refit after some rounds.

        Those go first whose merging raises the loss least, to second order:
        h_l h_r / (h_l + h_r) (w_l - w_r)^2 with the curvatures h.
        """
        parents = self._parents()
        losses = self._merge_losses(parents)
        count = min(most, max(1, int(MERGED_AT_ONCE * len(parents))))
        cheapest = parents[np.argsort(losses, kind="stable")[:count]]
        self.merged = [*self.merged, *cheapest]
        self._merge(np.sort(cheapest))
        self.rounds += 1
        if self.moves and self.rounds % REFIT_EVERY[self.loss] == 0:
            self.sweep()

    def _parents(self):
        """Nodes whose children are both leaves."""
        inner = np.flatnonzero(self.alive & ~self.leaf)
        both = self.leaf[self.left[inner]] & self.leaf[self.right[inner]]
        return inner[both]

    def _merge_losses(self, parents):
        left, right = self.left[parents], self.right[parents]
        if self.loss == "softmax":
            of, _, (w, h, _), (v, k, _) = self._side_by_side(left, right)
            rise = h * k / (h + k) * (w - v) ** 2
            return np.bincount(of, weights=rise, minlength=len(parents))
        h, k = self.H[left] + 1e-3, self.H[right] + 1e-3
        return h * k / (h + k) * ((self.W[left] - self.W[right]) ** 2).sum(axis=1)

    def _merge(self, parents):
        left, right = self.left[parents], self.right[parents]
        if self.loss == "softmax":
            self._merge_entries(parents, left, right)
        else:
            h, k = self.H[left, None] + 1e-3, self.H[right, None] + 1e-3
            self.W[parents] = (h * self.W[left] + k * self.W[right]) / (h + k)
            self.H[parents] = self.H[left] + self.H[right]
        step = np.arange(len(self.leaf), dtype=np.int32)
        step[left] = step[right] = parents
        self.place = step if self.place is None else step[self.place]
        self.leaf[left] = self.leaf[right] = False
        self.alive[left] = self.alive[right] = False
        self.leaf[parents] = True
        if self.loss == "softmax":
            self._lay_out()

    def _move_rows(self):
        """Rows of leaves that were merged are in their parents from now on."""
        if self.place is None:
            return
        self.leaves = self.place[self.leaves]
        if self.watched is not None:
            self.watched = self.place[self.watched]
        self.place = None

    def _first_entries(self):
        """An entry for each class among the rows of each leaf, with their weight."""
        n_classes = self.prior.shape[1]
        keys, masses = [], []
        for first, last, of_tree in zip(
            self.arrays.start[:-1], self.arrays.start[1:], self.leaves, strict=True
        ):
            size = int(last - first) * n_classes
            cells = (of_tree - first).astype(np.int64) * n_classes + self.y
            mass = np.bincount(cells, self.weight, minlength=size)
            used = np.flatnonzero(np.bincount(cells, minlength=size))
            keys.append(used + int(first) * n_classes)
            masses.append(mass[used])
        keys, self.mass = np.concatenate(keys), np.concatenate(masses)
        self.entry_node, self.column = (
            keys // n_classes,
            (keys % n_classes).astype(np.int32),
        )
        self.W = self.prior[self.entry_node, self.column].copy()
        self.H = np.zeros(len(keys))
        self._lay_out()

    def _lay_out(self):
        """Order the entries by node and class."""
        keys = self.entry_node * self.prior.shape[1] + self.column
        order = np.argsort(keys, kind="stable")  # fast on the two sorted runs of a merge
        for name in ("entry_node", "column", "W", "H", "mass"):
            setattr(self, name, getattr(self, name)[order])
        self.entry_prior = self.prior[self.entry_node, self.column]
        counts = np.bincount(self.entry_node, minlength=len(self.leaf))
        self.first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        self.node_mass = np.bincount(self.entry_node, self.mass, minlength=len(self.leaf))

    def _leave_out_classes(self):
        """Drop the entries that matter least: their weights are zero from now on."""
        tree = np.searchsorted(self.arrays.start, self.entry_node, side="right") - 1
        stored = np.flatnonzero(self._has_split()[tree])
        losses = self.H[stored] * self.W[stored] ** 2
        order = stored[np.argsort(losses, kind="stable")]
        stays = np.ones(len(tree), dtype=bool)
        stays[order[: int(CLASSES_LEFT_OUT * len(order))]] = False
        for name in ("entry_node", "column", "W", "H", "mass"):
            setattr(self, name, getattr(self, name)[stays])
        self._lay_out()
        self.sweep(2)

    def _side_by_side(self, left, right):
        """The classes of pairs of leaves: which pair, class, and both sides of each.

        A class without rows in a leaf has weight zero there, and a curvature as if its
        probability were half of its share in both leaves.
        """
        n_classes = self.prior.shape[1]
        keys, entries = [], []
        for side in (left, right):
            sizes = self.first[side + 1] - self.first[side]
            of = np.repeat(np.arange(len(side)), sizes)
            within = np.arange(len(of)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            entry = self.first[side][of] + within
            keys.append(of * n_classes + self.column[entry])
            entries.append(entry)
        union = np.union1d(*keys)
        of, column = union // n_classes, (union % n_classes).astype(np.int32)
        found = []
        for key, entry in zip(keys, entries, strict=True):
            values = np.zeros((3, len(union)))
            place = np.searchsorted(union, key)
            values[:, place] = self.W[entry], self.H[entry], self.mass[entry]
            there = np.zeros(len(union), dtype=bool)
            there[place] = True
            found.append((values, there))
        total = self.node_mass[left] + self.node_mass[right]
        mass = found[0][0][2] + found[1][0][2]
        q = 0.5 * mass / np.maximum(total[of], 1e-300)
        for (values, there), side in zip(found, (left, right), strict=True):
            stand_in = self.node_mass[side][of] * q * (1 - q)
            values[1] = np.where(there, values[1], stand_in) + 1e-3
        return of, column, found[0][0], found[1][0]

    def _merge_entries(self, parents, left, right):
        of, column, (w, h, m), (v, k, n) = self._side_by_side(left, right)
        gone = np.zeros(len(self.leaf), dtype=bool)
        gone[left] = gone[right] = True
        stays = ~gone[self.entry_node]
        merged = (parents[of], column, (h * w + k * v) / (h + k), h + k, m + n)
        for name, values in zip(
            ("entry_node", "column", "W", "H", "mass"), merged, strict=True
        ):
            setattr(self, name, np.concatenate([getattr(self, name)[stays], values]))

    def finished(self, reassign=None, *, share_thresholds=None, rounded=True):
        """The trees as they are now, a little refitted, small numbers in them.

        Parameters
        ----------
        reassign : callable or None, default=None
            Gives the leaf of each row in each tree of a TreeArrays, as `leaves` is;
            for `share_thresholds`.
        share_thresholds : callable or None, default=None
            Gives a TreeArrays with fewer different thresholds for one.
        rounded : bool, default=True
            Whether scores become integers times one number, and half of the classes in
            leaves are left out. Trees are rounded in turn; those that follow make up for
            it.

        Returns
        -------
        ScoredTrees
            Trees without a split are in the intercept.
        """
        own = self.copy()
        own.sweep(3)
        inner = own.alive & ~own.leaf
        arrays, position = collapse(own.arrays, inner)
        own._move(arrays, position)
        if share_thresholds is not None:
            shared = share_thresholds(arrays)
            if not np.array_equal(shared.threshold, arrays.threshold):
                own.arrays, own.leaves = shared, reassign(shared)
                own.sweep(2)
        scale = None
        if rounded:
            if own.loss == "softmax":
                own._leave_out_classes()
            grid = float(np.abs(own.W).max(initial=0.0)) / LEVELS[own.loss]
            if grid > 0:
                own.sweep(1, grid=grid)
                scale = np.full(len(own.intercept), grid)
        return own._scored(scale)

    def _move(self, arrays, position):
        """Hold what is alive only."""
        node = np.flatnonzero(self.alive)
        if self.loss == "softmax":
            self.entry_node = position[self.entry_node].astype(np.int64)
            counts = np.bincount(self.entry_node, minlength=len(node))
            self.first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
            self.node_mass = self.node_mass[node]
        else:
            self.W, self.H = self.W[node].copy(), self.H[node].copy()
        self.prior = self.prior[node]
        self.leaves = position[self.leaves]
        self.arrays = arrays
        self.left, self.right = arrays.left, arrays.right
        self.leaf = arrays.is_leaf.copy()
        self.alive = np.ones(len(self.leaf), dtype=bool)

    def _scored(self, scale):
        table = self._table()
        table = np.where(self.leaf[:, None], table, 0.0)
        arrays = replace(self.arrays, value=table * self.unit)
        constant = np.diff(arrays.start) == 1
        if constant.all():
            constant[0] = False
        intercept = self.centre + self.intercept * self.unit
        intercept = intercept + arrays.value[arrays.start[:-1][constant]].sum(axis=0)
        if constant.any():
            arrays = pick_trees(arrays, np.flatnonzero(~constant))
        return ScoredTrees(arrays, intercept, None if scale is None else scale * self.unit)


def added_up(values, leaves, start, counted=None):
    """What the leaves of all trees add to `start`, for each row.

    Parameters
    ----------
    values : ndarray of shape (n_nodes, width)
        What each leaf adds.
    leaves : ndarray of shape (n_trees, n_samples), int
        The leaf of each row in each tree.
    start : ndarray of shape (width,)
        What the sums start from.
    counted : ndarray of shape (n_trees, n_samples), bool, or None
        The trees whose sums count for each row; they are scaled up to all trees.
    """
    total = np.zeros((leaves.shape[1], values.shape[1]))
    for t, of_tree in enumerate(leaves):
        added = values[of_tree]
        total += added if counted is None else added * counted[t, :, None]
    if counted is not None:
        total *= (len(leaves) / np.maximum(counted.sum(axis=0), 1))[:, None]
    return total + start
