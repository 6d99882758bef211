"""Which target answers: rules, strategies, health."""
