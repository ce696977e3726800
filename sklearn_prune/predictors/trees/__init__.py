"""Trees in flat arrays, and the forests made of them."""

from .columns import LOGISTIC, REFUSE_INFINITE, REFUSE_NAN, TINY, TINY_IS_ZERO

__all__ = ["LOGISTIC", "REFUSE_INFINITE", "REFUSE_NAN", "TINY", "TINY_IS_ZERO"]
