"""Nothing is only configured: each setting is tried by the documented commands, and shown to change what it says."""
