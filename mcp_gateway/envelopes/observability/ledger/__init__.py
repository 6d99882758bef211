"""What was used and what it cost: one entry per attempt at a provider and per tool call."""
