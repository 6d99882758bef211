"""Pages for people: signing in, consenting, and the list of one's own connections."""
