"""Reads the backlogs of other programs, one format a file."""
