"""Takes the defences away, one at a time, and looks whether anybody notices. ``script/test defences`` runs it."""
