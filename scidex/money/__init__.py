"""Pays: how a day's bucket is shared, and what attested impact earns; pure rules on whole tokens."""
