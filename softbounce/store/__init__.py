"""The store: keys, scripts, and the client that carries calls to its shards."""
