"""Faults that users meet, and every public estimator that may meet them."""
