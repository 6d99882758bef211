"""OpenAI's responses API, as providers speak it. Pure."""
