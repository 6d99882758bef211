"""The database and the shared store: what outlives a process or is common to replicas."""
