"""What a text says beneath its spelling: normalised, and decoded. Pure."""
