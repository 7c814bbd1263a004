"""What `/metrics` shows: read from the store, which counts (docs/metrics.md)."""
