"""What is allowed, and how much of it."""
