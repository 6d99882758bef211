"""The record that nobody can quietly change: chains of records in files, signed on the way."""
