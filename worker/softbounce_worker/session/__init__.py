"""One connection: dialled within its limits, and carried from MAIL to the dot's answer, again and again."""
