"""Traces: context in and out, spans, and their export."""
