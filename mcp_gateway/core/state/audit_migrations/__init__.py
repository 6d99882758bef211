"""How databases that the record of calls is shipped to got their tables."""
