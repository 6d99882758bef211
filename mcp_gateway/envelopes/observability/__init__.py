"""What happened: one structured record per call."""
