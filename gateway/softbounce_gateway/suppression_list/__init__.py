"""Suppression lists as files: read and written as CSV, line by line, by the command line and by HTTP."""
