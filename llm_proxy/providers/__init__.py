"""Gateway → provider: one codec for each wire family, without I/O, and what sends."""
