"""Compact forms in the formats of other languages."""
