"""What DNS says of hosts' certificates: DANE for SMTP (RFC 7672)."""
