"""Metrics: histograms and counters, as text and over OTLP."""
