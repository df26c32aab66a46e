"""A round: what it decides, clearing it, deciding it again, the floor, and when one is due."""
