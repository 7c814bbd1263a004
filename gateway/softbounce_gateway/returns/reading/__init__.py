"""Reads what came back: from octets to a :class:`.Report`, without any I/O and without knowing an envelope."""
