"""The inbox of a playground: what an app handed over, to be looked at in a browser or asked for by a test.

Whatever stands in a message is a stranger's: no script of it ever runs, nothing is loaded from elsewhere, and what it
attached is only ever saved. A service whose mail goes to the world has no inbox.
"""
