"""What is asked of an upstream: the kinds of invocation, their values, and the inner pipeline."""
