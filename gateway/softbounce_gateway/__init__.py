"""Every way in and out: the command line, the supervisor behind `up`, the demo."""
