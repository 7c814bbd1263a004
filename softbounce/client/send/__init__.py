"""What ``send`` does: its arguments checked, then packed, then accepted by the store, which a receipt tells."""
