"""`python -m scidex` is the command `scidex`."""

from __future__ import annotations

from scidex.cli import main

if __name__ == "__main__":
    main()
