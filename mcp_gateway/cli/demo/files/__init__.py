"""The configuration that the demo runs on."""
