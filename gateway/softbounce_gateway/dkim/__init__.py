"""Keys for signatures and their DNS records, for the person who runs the service."""
