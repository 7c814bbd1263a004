"""What comes back of mail that had left: bounces and complaints, taken in, read, matched to envelopes, and told."""
