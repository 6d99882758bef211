"""Anthropic's messages as a dialect of clients: requests in, answers, streams and errors out. Pure."""
