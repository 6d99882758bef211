"""The story of one request, told from the record alone: the same on the control plane and on the command line."""
