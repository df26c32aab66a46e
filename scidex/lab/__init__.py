"""Tries markets out before anybody depends on them: the exchange's own rules, in worlds drawn from a seed."""
