"""Copies of the record elsewhere: what the chains hold is sent to targets, at least once, from where each one is."""
