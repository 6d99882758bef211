"""OpenAI chat completions as clients speak them. Pure."""
