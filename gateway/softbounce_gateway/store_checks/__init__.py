"""What ``up`` asks of a store before it works with it, one file a question; some of it again and again."""
