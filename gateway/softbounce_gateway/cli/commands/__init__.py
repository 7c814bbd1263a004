"""The commands, each in the file of its name. :mod:`softbounce_gateway.cli.app` puts them together."""
