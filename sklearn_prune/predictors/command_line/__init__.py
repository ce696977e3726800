"""The command line, as far as numpy and the standard library reach."""
