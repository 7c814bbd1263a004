"""Tells events to the receivers of webhooks: a process of its own, beside the mail and never in its way."""
