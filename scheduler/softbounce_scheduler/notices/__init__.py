"""Notices: mail to senders about what became of theirs (RFC 3464), written by what the event logs tell."""
