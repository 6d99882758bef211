"""The detectors, one class and one file each."""
