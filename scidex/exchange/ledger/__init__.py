"""Wallets under lock, and what they owe."""
