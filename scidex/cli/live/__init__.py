"""A market to watch in a terminal: what it looks like now, drawn again and again, and the keys that act on it."""
