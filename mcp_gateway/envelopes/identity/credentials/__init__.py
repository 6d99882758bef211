"""What reaches an upstream, one class for each `auth.type`. They satisfy `upstream.credentials.Credentials`."""
