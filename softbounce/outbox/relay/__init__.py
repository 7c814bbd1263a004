"""The relay: hands the rows of an outbox over to softbounce, each by its key, and then takes them out."""
