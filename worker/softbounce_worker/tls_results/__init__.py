"""What became of TLS with the hosts of each domain, counted and told as domains ask to be told (TLS-RPT, RFC 8460)."""
