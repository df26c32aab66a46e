"""Tries markets out before anybody depends on them: the exchange's own rules on synthetic worlds, without a database."""
