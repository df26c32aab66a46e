"""A real fleet on real work: quests audit the Python packages installed here, and agents run ruff for them."""
