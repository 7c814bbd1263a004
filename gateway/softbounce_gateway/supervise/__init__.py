"""Child processes: each is kept running, and ends when we do. Knows nothing of what they do."""
