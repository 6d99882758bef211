"""Anthropic's messages as a provider's wire: requests out, answers and streams in. Pure."""
