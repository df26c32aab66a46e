"""A whole fleet in one file, `scidex.toml`: its schema, what a directory suggests, a market brought in line."""
