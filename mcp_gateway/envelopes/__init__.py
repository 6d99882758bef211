"""Identity, policy, safety, observability: what every request passes, on either plane."""
