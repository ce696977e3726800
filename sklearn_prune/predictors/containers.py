"""Predictors of containers: thresholds, chains, votes, one model a class or an output."""

from copy import copy
from itertools import combinations

import numpy as np

from .base import Compact, Delegating, available_if, copy_attributes
from .frames import as_csr, as_scipy, checked, side_by_side
from .quantized import count_rows, is_sparse


class CompactContainer(Compact):
    """A predictor made of others: `members_`."""

    @classmethod
    def around(cls, members, model, **attributes):
        """The predictor of a fitted container, given the predictors of its members."""
        compact = copy_attributes(model, cls())
        compact.members_ = list(members)
        for name, value in attributes.items():
            setattr(compact, name, value)
        return compact

    def __sklearn_is_fitted__(self):
        return hasattr(self, "members_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        for member in getattr(self, "members_", ()):
            found = member.__sklearn_tags__().input_tags
            tags.input_tags.sparse &= found.sparse
            tags.input_tags.allow_nan = found.allow_nan
        return tags

    def _array(self, X):
        """X as an array or sparse matrix; its values are for the members to check."""
        if self._fits(X):
            return X
        return as_scipy(checked(self, X, "numeric", finite=False, sparse=True))

    def quantized(self, quantizer):
        """A copy of quantized members."""
        small = copy(self)
        small.members_ = [member.quantized(quantizer) for member in self.members_]
        return small

    def n_parameters(self):
        """Number of stored numbers that `predict` reads, the members' included."""
        own = super().n_parameters()
        return own + sum(member.n_parameters() for member in self.members_)

    def n_nonzero(self):
        """Number of those that are not zero."""
        own = super().n_nonzero()
        return own + sum(member.n_nonzero() for member in self.members_)


def members_have(method):
    """Check for `available_if`: the first member has the method, as scikit-learn asks."""

    def check(self):
        getattr(self.members_[0], method)
        return True

    return available_if(check)


def positive_scores(member, method, X):
    """Scores of the positive class of a binary model."""
    found = getattr(member, method)(X)
    if method == "predict_proba":
        return found[:, 1]
    return np.ravel(found) if method == "decision_function" else found


class CompactConstant(Compact):
    """A binary predictor that has seen one class."""

    @classmethod
    def of(cls, value):
        """The predictor of one class, as an array of one 0 or 1."""
        compact = cls()
        compact.value_ = value
        return compact

    def __sklearn_is_fitted__(self):
        return hasattr(self, "value_")

    def predict(self, X):
        """The one class, for each row."""
        return np.repeat(self.value_, count_rows(X))

    def decision_function(self, X):
        """The one class, for each row."""
        return self.predict(X)

    def predict_proba(self, X):
        """Probability 1 for the one class."""
        value = self.value_.astype(np.float64)
        return np.repeat([np.hstack([1 - value, value])], count_rows(X), axis=0)

    def quantized(self, quantizer):
        """Itself: there is nothing to round."""
        return self


def inverse_steps(transformer):
    """What undoes a fitted transformer of targets: pairs of a function and an array.

    The functions are numpy's, by name; the array is their second argument or None. None is
    returned where the transformer does more than that.
    """
    if not type(transformer).__module__.startswith("sklearn."):
        return None
    if type(transformer).__name__ == "FunctionTransformer":
        function = transformer.inverse_func
        name = getattr(function, "__name__", None)
        if function is None:
            return []
        known = name in FUNCTIONS and getattr(np, name) is function
        return [(name, None)] if known and not transformer.inv_kw_args else None
    if type(transformer).__name__ not in INVERSES:
        return None
    return [
        (function, np.array(getattr(transformer, name)))
        for function, name, flag in INVERSES[type(transformer).__name__]
        if flag is None or getattr(transformer, flag)
    ]


# For each scaler: functions, attributes, and the parameters that turn them off.
INVERSES = {
    "StandardScaler": (("multiply", "scale_", "with_std"), ("add", "mean_", "with_mean")),
    "RobustScaler": (
        ("multiply", "scale_", "with_scaling"),
        ("add", "center_", "with_centering"),
    ),
    "MinMaxScaler": (("subtract", "min_", None), ("divide", "scale_", None)),
    "MaxAbsScaler": (("multiply", "scale_", None),),
}
FUNCTIONS = frozenset(
    ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "cbrt", "square")
)
_OF_TWO = frozenset(("multiply", "add", "subtract", "divide"))


def transformed_back(inverse, values):
    """Values after what `inverse_steps` gave."""
    for name, second in inverse:
        if name not in (FUNCTIONS if second is None else _OF_TWO):
            raise ValueError(
                "Targets are transformed back by functions of numpy on numbers. Got "
                f"{name!r}. Save the model again."
            )
        rest = () if second is None else (second,)
        values = getattr(np, name)(values, *rest).astype(values.dtype, copy=False)
    return values


class CompactTransformedTarget(CompactContainer):
    """A regressor whose predictions are transformed back.

    Attributes
    ----------
    inverse_ : list of (str, ndarray or None), or None
        Functions of numpy and their second arguments.
    transformer_ : object or None
        The fitted transformer, where it does more than that.
    """

    inverse_ = transformer_ = None

    def __setstate__(self, state):
        super().__setstate__(state)
        if "inverse_" not in state:
            self.inverse_ = inverse_steps(self.transformer_)

    def predict(self, X, **params):
        """Predict targets in their own units."""
        found = self.members_[0].predict(X, **params)
        found = found.reshape(-1, 1) if found.ndim == 1 else found
        if self.inverse_ is None:
            found = self.transformer_.inverse_transform(found)
        else:
            found = transformed_back(self.inverse_, found)
        if self.target_dim_ == 1 and found.ndim == 2 and found.shape[1] == 1:
            found = found.squeeze(axis=1)
        return found


class CompactThreshold(Delegating, CompactContainer):
    """A binary classifier with a threshold of its own."""

    _inner = property(lambda self: self.members_[0])

    def predict(self, X):
        """The positive class from the threshold on, else the other."""
        scores = getattr(self.members_[0], self.method_)(X)
        if self.method_ == "predict_proba":
            scores = scores[:, self.positive_]
        elif self.positive_ == 0:
            scores = -scores
        labels = self.classes_[[1 - self.positive_, self.positive_]]
        return labels[(scores >= self.threshold_).astype(int)]


def pairs(n_classes):
    """The pairs of classes in scikit-learn's order."""
    return list(combinations(range(n_classes), 2))


def _all_have(method):
    return available_if(lambda self: all(hasattr(m, method) for m in self.members_))


class _BinaryMembers(CompactContainer):
    """Members that each tell one class from another."""

    def _scores(self, X):
        return [
            positive_scores(member, method, X)
            for member, method in zip(self.members_, self.methods_, strict=True)
        ]

    def _threshold(self):
        """From which score on the first member, and with it each, says yes."""
        first = self.members_[0]
        decides = self.methods_[0] == "decision_function"
        return 0.0 if decides and not isinstance(first, CompactConstant) else 0.5


class CompactOneVsRest(_BinaryMembers):
    """A class, or a set of labels, by one binary predictor for each."""

    @property
    def multilabel_(self):
        """Whether there is a set of labels for each row."""
        return self.target_.startswith("multilabel")

    @property
    def n_classes_(self):
        """Number of classes."""
        return len(self.classes_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def predict(self, X):
        """The class of the largest score, or all labels above the threshold."""
        scores = self._scores(X)
        if self.target_ == "multiclass":
            return self.classes_[np.argmax(scores, axis=0)]
        found = np.array([own > self._threshold() for own in scores], dtype=int).T
        if not self.multilabel_:
            found = found[:, 0]
            return self.classes_[found if len(self.classes_) > 1 else np.zeros_like(found)]
        return as_scipy(as_csr(found)) if self.sparse_target_ else found

    @members_have("predict_proba")
    def predict_proba(self, X):
        """Probabilities of the members, which add up to 1 unless labels are sets."""
        found = np.array([member.predict_proba(X)[:, 1] for member in self.members_]).T
        if len(self.members_) == 1:
            found = np.concatenate((1 - found, found), axis=1)
        if not self.multilabel_:
            sums = np.sum(found, axis=1)[:, np.newaxis]
            np.divide(found, sums, out=found, where=sums != 0)
        return found

    @members_have("decision_function")
    def decision_function(self, X):
        """Scores of the members."""
        if len(self.members_) == 1:
            return self.members_[0].decision_function(X)
        return np.array([member.decision_function(X).ravel() for member in self.members_]).T


class CompactOneVsOne(_BinaryMembers):
    """A class by the votes of one binary predictor for each pair."""

    @property
    def n_classes_(self):
        """Number of classes."""
        return len(self.classes_)

    def predict(self, X):
        """The class with most votes; confidence breaks ties."""
        found = self.decision_function(X)
        if len(self.classes_) == 2:
            return self.classes_[(found > self._threshold()).astype(int)]
        return self.classes_[found.argmax(axis=1)]

    def decision_function(self, X):
        """Votes, and confidences squeezed to less than half a vote."""
        X = self._array(X)
        shape = (X.shape[0], len(self.classes_))
        votes, confidences = np.zeros(shape), np.zeros(shape)
        scores = self._scores(X)
        for member, score, (first, second) in zip(
            self.members_, scores, pairs(len(self.classes_)), strict=True
        ):
            found = member.predict(X)
            confidences[:, first] -= score
            confidences[:, second] += score
            votes[found == 0, first] += 1
            votes[found == 1, second] += 1
        found = votes + confidences / (3 * (np.abs(confidences) + 1))
        return found[:, 1] if len(self.classes_) == 2 else found


class CompactOutputCode(_BinaryMembers):
    """A class by its code, a bit from each member."""

    _parameters = ("code_book_",)

    def predict(self, X):
        """The class whose code is nearest."""
        from .covariances import squared_distances

        scores = np.array(self._scores(X), order="F", dtype=np.float64).T
        return self.classes_[squared_distances(scores, self.code_book_).argmin(axis=1)]


class _OneMemberPerOutput(CompactContainer):
    """One predictor for each output."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.single_output = False
        tags.target_tags.multi_output = True
        return tags

    def predict(self, X):
        """Outputs, of shape (n_samples, n_outputs)."""
        return np.asarray([member.predict(X) for member in self.members_]).T


class CompactMultiRegressor(_OneMemberPerOutput):
    """One regressor for each output."""


class CompactMultiClassifier(_OneMemberPerOutput):
    """One classifier for each output."""

    @_all_have("predict_proba")
    def predict_proba(self, X):
        """A list with the class probabilities of each output."""
        return [member.predict_proba(X) for member in self.members_]

    def score(self, X, y):
        """Share of rows whose outputs are all right."""
        return np.mean(np.all(np.asarray(y) == self.predict(X), axis=1))


class _MembersInChain(CompactContainer):
    """Predictors that read the outputs before them."""

    def _output(self, member, method, X):
        found = getattr(member, method)(X)
        return found[:, 1] if method == "predict_proba" and found.ndim > 1 else found

    def _outputs(self, X, method):
        X = self._array(X)
        shape = (X.shape[0], len(self.members_))
        outputs, features = np.zeros(shape), np.zeros(shape)
        for number, member in enumerate(self.members_):
            earlier = features[:, :number]
            if is_sparse(X):
                augmented = as_scipy(side_by_side([as_csr(X), as_csr(earlier)]))
            else:
                augmented = np.hstack((X, earlier))
            features[:, number] = self._output(member, self.method_, augmented)
            outputs[:, number] = features[:, number]
            if method != self.method_:
                outputs[:, number] = self._output(member, method, augmented)
        return outputs[:, np.argsort(self.order_)]

    def predict(self, X):
        """Outputs, of shape (n_samples, n_outputs)."""
        return self._outputs(X, "predict")


class CompactRegressorChain(_MembersInChain):
    """Regressors that read the outputs before them."""


class CompactClassifierChain(_MembersInChain):
    """Binary classifiers that read the outputs before them."""

    @_all_have("predict_proba")
    def predict_proba(self, X):
        """Probabilities of the positive class of each output."""
        return self._outputs(X, "predict_proba")

    @_all_have("predict_proba")
    def predict_log_proba(self, X):
        """Their logarithms."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    @_all_have("decision_function")
    def decision_function(self, X):
        """Scores of each output."""
        return self._outputs(X, "decision_function")


class _BaggedMembers(CompactContainer):
    """Predictors that may each read some of the columns."""

    def _asked(self, X):
        X = self._array(X)
        for member, columns in zip(self.members_, self.columns_, strict=True):
            yield member, X if columns is None else X[:, columns]

    def _mean(self, X, method):
        found = sum(getattr(member, method)(part) for member, part in self._asked(X))
        return found / len(self.members_)


class CompactBaggedRegressor(_BaggedMembers):
    """The mean of regressors."""

    def predict(self, X):
        """Mean of what the members predict."""
        return self._mean(X, "predict")


class CompactBaggedClassifier(_BaggedMembers):
    """The mean of classifiers, or their vote where they have no probabilities."""

    def predict(self, X):
        """The class of the largest mean probability."""
        return self.classes_.take(np.argmax(self.predict_proba(X), axis=1), axis=0)

    def predict_proba(self, X):
        """Mean of the class probabilities, or shares of votes."""
        found = np.zeros((count_rows(X), len(self.classes_)))
        rows = np.arange(len(found))
        for member, part in self._asked(X):
            if not hasattr(member, "predict_proba"):
                found[rows, member.predict(part)] += 1
            elif len(member.classes_) == len(self.classes_):
                found += member.predict_proba(part)
            else:
                found[:, member.classes_] += member.predict_proba(part)
        return found / len(self.members_)

    def predict_log_proba(self, X):
        """Logarithms of the mean class probabilities."""
        if not hasattr(self.members_[0], "predict_log_proba"):
            with np.errstate(divide="ignore"):
                return np.log(self.predict_proba(X))
        found = np.full((count_rows(X), len(self.classes_)), -np.inf)
        for member, part in self._asked(X):
            columns = member.classes_
            own = member.predict_log_proba(part)
            found[:, columns] = np.logaddexp(found[:, columns], own)
        return found - np.log(len(self.members_))

    @members_have("decision_function")
    def decision_function(self, X):
        """Mean of the members' scores."""
        return self._mean(X, "decision_function")


class CompactVotingRegressor(CompactContainer):
    """The weighted mean of regressors."""

    def predict(self, X):
        """Weighted mean of what the members predict."""
        found = np.asarray([member.predict(X) for member in self.members_]).T
        return np.average(found, axis=1, weights=self.weights_)


class CompactSoftVoting(CompactContainer):
    """The weighted mean of class probabilities."""

    def predict(self, X):
        """The class of the largest mean probability."""
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]

    def predict_proba(self, X):
        """Weighted mean of the class probabilities."""
        found = np.asarray([member.predict_proba(X) for member in self.members_])
        return np.average(found, axis=0, weights=self.weights_)


class CompactHardVoting(CompactContainer):
    """The weighted votes of classifiers, whose labels are positions in `classes_`."""

    def predict(self, X):
        """The class with most votes; the first of equal ones."""
        found = [member.predict(X) for member in self.members_]
        rows = np.arange(len(found[0]))
        votes = np.zeros((len(rows), len(self.classes_)))
        weights = np.ones(len(found)) if self.weights_ is None else self.weights_
        for labels, weight in zip(found, weights, strict=True):
            votes[rows, labels] += weight
        return self.classes_[votes.argmax(axis=1)]
