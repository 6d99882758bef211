"""OpenAI chat completions as providers speak them, with what compatible servers make of them. Pure."""
