"""The dashboard: pages that the server renders, and that stay live without a reload."""
