"""Fitted models of other libraries, read as plain values and dataclasses."""
