"""GaussianProcessClassifier: latent functions over the same, or over their own, rows."""

from dataclasses import dataclass, replace

import numpy as np
from sklearn.gaussian_process import GaussianProcessClassifier

from sklearn_prune.predictors import CompactProcessClassifier, KernelFunction, LatentProcess


@dataclass(frozen=True)
class LatentFunction:
    """One binary problem: its kernel object, its rows among the points, coefficients."""

    kernel: object
    rows: np.ndarray
    coefficients: np.ndarray


@dataclass(frozen=True)
class ClassesWork:
    """The latent functions of a classifier over one array of points."""

    points: np.ndarray
    codes: np.ndarray
    ids: np.ndarray
    members: tuple
    classes: np.ndarray
    pairwise: bool
    names: np.ndarray | None = None
    kind = "process classes"

    @property
    def coefficients(self):
        """All coefficients of each point, zero where a function does not hold it."""
        full = np.zeros((len(self.points), len(self.members)))
        for column, member in enumerate(self.members):
            full[member.rows, column] = member.coefficients
        return full

    @property
    def offsets(self):
        """None: the prior mean is zero."""
        return np.zeros(0)

    @property
    def traits(self):
        """What the table reads."""
        return {"n_features": self.points.shape[1]}

    def taking(self, kept):
        """The same with some of the points."""
        place = np.full(len(self.points), -1)
        place[kept] = np.arange(len(kept))
        members = []
        for member in self.members:
            inside = place[member.rows] >= 0
            members.append(
                LatentFunction(
                    member.kernel,
                    place[member.rows[inside]],
                    member.coefficients[inside],
                )
            )
        return replace(
            self,
            points=self.points[kept],
            codes=self.codes[kept],
            ids=self.ids[kept],
            members=tuple(members),
        )

    def refitted_alone(self):
        """The mode found again on the kept points alone, kernels as they were fitted.

        The label of a point in a problem is the sign of its coefficient. O(n_points**3)
        for each of them.
        """
        members = []
        for member in self.members:
            points, labels = self.points[member.rows], member.coefficients > 0
            if labels.all() or not labels.any():
                members.append(member)
                continue
            model = GaussianProcessClassifier(kernel=member.kernel, optimizer=None)
            binary = model.fit(points, labels).base_estimator_
            members.append(replace(member, coefficients=binary.y_train_ - binary.pi_))
        return replace(self, members=tuple(members))

    def compact(self):
        """The standalone predictor."""
        compact = CompactProcessClassifier()
        compact.classes_, compact.pairwise_ = self.classes, self.pairwise
        compact.n_features_in_ = self.points.shape[1]
        if self.names is not None:
            compact.feature_names_in_ = self.names
        compact.members_ = []
        for member in self.members:
            latent = LatentProcess()
            latent.kernel_ = KernelFunction("object", kernel=member.kernel)
            whole = len(member.rows) == len(self.points)
            latent.points_ = self.points if whole else self.points[member.rows]
            latent.coefficients_ = member.coefficients[:, None]
            latent.offsets_ = np.zeros(0)
            latent.center_, latent.precision_ = None, np.float64
            latent.n_features_in_ = self.points.shape[1]
            compact.members_.append(latent)
        return compact


def start_classes(model):
    """The working form of a fitted GaussianProcessClassifier."""
    base = model.base_estimator_
    several = model.n_classes_ > 2
    pairwise = several and model.multi_class == "one_vs_one"
    fitted = base.estimators_ if several else [base]
    if not pairwise:
        points = np.array(fitted[0].X_train_, dtype=np.float64)
        rows = [np.arange(len(points))] * len(fitted)
        labels = np.stack([one.y_train_ for one in fitted], axis=1)
        codes = labels.argmax(axis=1) if several else labels[:, 0]
    else:
        points, codes, rows = _assembled(fitted, model.n_classes_)
    order = np.argsort(codes, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    members = []
    for one, own in zip(fitted, rows, strict=True):
        sort = np.argsort(place[own], kind="stable")
        members.append(
            LatentFunction(one.kernel_, place[own][sort], (one.y_train_ - one.pi_)[sort])
        )
    return ClassesWork(
        points[order],
        codes[order],
        order,
        tuple(members),
        model.classes_,
        pairwise,
        getattr(model, "feature_names_in_", None),
    )


def _assembled(fitted, n_classes):
    """All rows of a one-vs-one model, put together from the rows of its pairs."""
    low, high = np.triu_indices(n_classes, 1)
    parts, codes, start = [], [], np.zeros(n_classes + 1, dtype=np.int64)
    for code in range(n_classes):
        pair = int(np.flatnonzero((low == code) | (high == code))[0])
        one = fitted[pair]
        own = one.X_train_[one.y_train_ == (high[pair] == code)]
        parts.append(np.asarray(own, dtype=np.float64))
        codes.append(np.full(len(own), code))
        start[code + 1] = start[code] + len(own)
    rows = []
    for pair, one in enumerate(fitted):
        own = np.empty(len(one.y_train_), dtype=np.int64)
        for code, label in ((low[pair], 0), (high[pair], 1)):
            own[one.y_train_ == label] = np.arange(start[code], start[code + 1])
        rows.append(own)
    return np.concatenate(parts), np.concatenate(codes), rows
