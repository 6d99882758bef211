"""What a request to a model passes: one stage a file."""
