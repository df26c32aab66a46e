"""Whole fleets on a clock of their own: weeks of a market in minutes, by its real verbs, and what must hold of it."""
