"""How a claim ends: handed over, written down, flown to the store, replayed after a crash."""
