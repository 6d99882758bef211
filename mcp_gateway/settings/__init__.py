"""Configuration: `gateway.yaml` and its virtual servers as one frozen tree (`load.load`)."""
