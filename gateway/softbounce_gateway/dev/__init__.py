"""``softbounce dev``: the whole service for who writes an app, into a playground, seen line by line as it happens."""
