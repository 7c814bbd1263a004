"""Whose turn it is, and what an outcome means: the lanes of a process, their trouble, their sessions."""
