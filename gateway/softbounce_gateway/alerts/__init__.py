"""Alerts: trouble that stands for long is told to a person, once, and again when it is over."""
