"""A classifier and a regressor of few rules, on which halves of the rows agree."""

from numbers import Integral

from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.utils.validation import check_is_fitted

from sklearn_prune._docs import entries, fill
from sklearn_prune._meta import (
    FittedAttributes,
    all_or_nothing,
    inherit_tags,
    routing_enabled,
)
from sklearn_prune._seeds import draw_seed
from sklearn_prune._sklearn_compat import Interval, fit_context
from sklearn_prune._validation import canonical
from sklearn_prune.weight_pruning._pruned import PrunedClassifier, PrunedRegressor
from sklearn_prune.weight_pruning.criteria import StabilityCriterion

STABLE = entries("""
    n_rules : int >= 2, default=24
        Largest number of rules.
    max_depth : int >= 1, default=1
        Largest number of conditions of a rule. More than one lets features interact, and
        needs more rows for the same rules to come back.
    random_state : int, RandomState instance or None, default=None
        Seeds the halves of the rows. None is a fixed seed, too.
    compact_ : object
        The predictor alone: what to ship.
    report_ : PruningReport
        Rules, parameters and bytes before and after, and seconds.
    feature_importances_ : ndarray of shape (n_features,)
        What the rules of each feature add, as a share.
    n_features_in_ : int
        Number of features.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has string names.
    notes : Notes
        The recipe is boosting with `n_rules` small trees, trained on 20 random halves of
        the rows. The splits of all trees, with thresholds at deciles, are counted, and the
        `n_rules` most frequent ones are kept. What they add to the score is estimated on
        all rows by a ridge regression, whose penalty is chosen on inner folds.

        Missing values and categorical columns of a frame are read as
        `HistGradientBoostingClassifier` reads them.

        Cost: 21 fits of small boosting models. It scores below a forest where features
        interact or where many features count alike; see the benchmark of explanations.
""")


class StableRules(FittedAttributes, BaseEstimator):
    """Arguments, fit and `predict`."""

    _parameter_constraints = {
        "n_rules": [Interval(Integral, 2, None, closed="left")],
        "max_depth": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }
    __metadata_request__fit = {"sample_weight": None, "groups": None}

    def __init__(self, n_rules=24, *, max_depth=1, random_state=None):
        self.n_rules = n_rules
        self.max_depth = max_depth
        self.random_state = random_state

    @all_or_nothing
    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, **fit_params):
        """Choose the rules, and estimate what they add.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows. Missing values are allowed.
        y : array-like of shape (n_samples,)
            Targets.
        **fit_params : dict
            `sample_weight`, and `groups`: rows of a group stay in one half.

        Returns
        -------
        self : object
            The fitted model.

        Raises
        ------
        ValueError
            If an argument, X or y is not valid.
        """
        seed = None if self.random_state is None else draw_seed(self.random_state)
        boosting = self._boosting(
            learning_rate=0.2,
            max_iter=self.n_rules,
            max_depth=self.max_depth,
            min_samples_leaf=5,
            early_stopping=False,
        )
        if routing_enabled():
            boosting.set_fit_request(sample_weight=True)
        model = self._pruned(
            boosting,
            StabilityCriterion(),
            unit="rule",
            keep=self.n_rules,
            random_state=seed,
        )
        model.fit(X, y, **fit_params)
        self.__dict__.pop("feature_names_in_", None)
        for name in ("compact_", "report_", "n_features_in_", "feature_names_in_"):
            if hasattr(model, name):
                setattr(self, name, getattr(model, name))
        self._importances = model.feature_importances_
        return self

    @property
    def feature_importances_(self):
        return self._importances

    def predict(self, X):
        """Predict targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,)
            Labels, or numbers.
        """
        return self._ask("predict", X)

    def _ask(self, method, X):
        check_is_fitted(self)
        return getattr(self.compact_, method)(canonical(X))

    def __sklearn_is_fitted__(self):
        return "compact_" in self.__dict__

    def __setstate__(self, state):
        super().__setstate__(state)
        if "compact_" in self.__dict__:
            self.compact_._use_kernels()  # the bits are those of the fitted model


@fill(STABLE)
class StableRulesClassifier(ClassifierMixin, StableRules):
    """Classify by few rules on which halves of the rows agree.

    Each rule adds a number to the score of the rows for which its conditions hold.
    `sklearn_prune.inspection.rules` shows the rules as a text, as a table, or as integer
    points.

    Parameters
    ----------
    {n_rules, max_depth, random_state}

    Attributes
    ----------
    {compact_}
    classes_ : ndarray of shape (n_classes,)
        The class labels.
    {report_, feature_importances_, n_features_in_, feature_names_in_}

    See Also
    --------
    StableRulesRegressor : The same for regression.
    sklearn_prune.inspection.rules : Shows the rules.
    sklearn_prune.weight_pruning.StabilityCriterion : How rules are chosen.

    Notes
    -----
    {notes}

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn_prune import StableRulesClassifier
    >>> from sklearn_prune.inspection import rules
    >>> X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    >>> model = StableRulesClassifier(8, random_state=0).fit(X, y)
    >>> rules(model, X, y).frame()["rule"].tolist()[:2]
    ['worst concave points > 0.1507', 'mean concave points > 0.0483']
    """

    _boosting, _pruned = HistGradientBoostingClassifier, PrunedClassifier

    @property
    def classes_(self):
        return self.compact_.classes_

    def predict_proba(self, X):
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities.
        """
        return self._ask("predict_proba", X)

    def decision_function(self, X):
        """The score: what the intercept and the rules that hold add up to.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Log odds of the second of two classes, or a score for each class.
        """
        return self._ask("decision_function", X)

    def __sklearn_tags__(self):
        return inherit_tags(super().__sklearn_tags__(), self._boosting())


@fill(STABLE)
class StableRulesRegressor(RegressorMixin, StableRules):
    """Predict numbers by few rules on which halves of the rows agree.

    Each rule adds a number to the prediction of the rows for which its conditions hold.
    `sklearn_prune.inspection.rules` shows the rules as a text, as a table, or as integer
    points.

    Parameters
    ----------
    {n_rules, max_depth, random_state}

    Attributes
    ----------
    {compact_, report_, feature_importances_, n_features_in_, feature_names_in_}

    See Also
    --------
    StableRulesClassifier : The same for classification.
    sklearn_prune.inspection.rules : Shows the rules.
    sklearn_prune.weight_pruning.StabilityCriterion : How rules are chosen.

    Notes
    -----
    {notes}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn_prune import StableRulesRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = StableRulesRegressor(12, random_state=0).fit(X, y)
    >>> round(model.score(X, y), 2)
    0.5
    """

    _boosting, _pruned = HistGradientBoostingRegressor, PrunedRegressor

    def __sklearn_tags__(self):
        return inherit_tags(super().__sklearn_tags__(), self._boosting())
