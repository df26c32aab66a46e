"""Runs the work: an agent that offers its slots, takes what they sold, runs it, and settles."""
