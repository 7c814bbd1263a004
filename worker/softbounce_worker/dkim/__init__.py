"""DKIM signatures (RFC 6376, RFC 8463): whose mail is signed, by which key, over which fields; and keys and records."""
