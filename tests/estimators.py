"""scikit-learn's estimators under one name: `sk.SVC()` needs no import of its own."""

from types import SimpleNamespace

from sklearn.utils.discovery import all_estimators

sk = SimpleNamespace(**dict(all_estimators()))
