"""``softbounce top``: how the service does, live in a terminal, and from there into a site and a message."""
