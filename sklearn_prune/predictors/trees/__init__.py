"""Trees in flat arrays, and the forests made of them."""
