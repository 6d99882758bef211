"""What guardrails see of requests to models and of answers, whole and on their way."""
