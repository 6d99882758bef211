"""OpenAI's responses API, as clients speak it. Pure."""
