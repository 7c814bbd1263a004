"""Which addresses get no mail: asked, listed, added and taken off, by an app or a person."""
