"""The embedded store: the server that ``up`` runs itself, its memory, and the lock of its data folder."""
