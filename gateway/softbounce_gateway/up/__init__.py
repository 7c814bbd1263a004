"""What ``softbounce up`` does: which parts it runs, how they are started and ended, and by which settings."""
