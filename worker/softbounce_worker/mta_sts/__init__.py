"""What recipient domains ask of TLS by HTTPS: MTA-STS (RFC 8461). Looked up, fetched, kept; obeyed elsewhere."""
