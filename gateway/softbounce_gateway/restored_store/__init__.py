"""A store that was put back from a backup: noticed, held, reported. It does not know what was sent since."""
