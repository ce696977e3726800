"""Nets as layers that predict without torch."""
