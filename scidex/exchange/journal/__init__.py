"""The journal's chain of digests, and its entries as they come."""
