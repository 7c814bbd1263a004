"""The pages of the screen, a module each: from one visit to one page."""
