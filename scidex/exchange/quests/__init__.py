"""The backlog of quests: tasks, their states, what is bid for them, and what claims came to."""
