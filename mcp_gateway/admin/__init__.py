"""The control plane: health, reload and inspection, on a listener of its own."""
