"""The safety envelope: what of a request or an answer is acceptable, and what leaves changed."""
