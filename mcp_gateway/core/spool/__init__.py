"""Records that outlive the process: appended to files, delivered from there later, at least once."""
