"""What guardrails see of requests to models and of answers."""
