"""However an attack ends, the books are proved afterwards."""

from tests.exchange.conftest import books_are_right_afterwards

__all__ = ["books_are_right_afterwards"]
