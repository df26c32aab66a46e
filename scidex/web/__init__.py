"""The HTTP door: the market's verbs as an API, and the dashboard for people."""
