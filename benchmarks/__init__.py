"""Measurements against a limit or a peer in the same run; ratios count, absolute figures move with the machine."""
