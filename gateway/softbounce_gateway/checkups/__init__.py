"""Health that stands: what ``softbounce doctor`` looks at, looked at time and again, and kept in the store."""
