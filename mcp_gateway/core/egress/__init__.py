"""The one way out over HTTP: guarded addresses, pooled connections, deadlines. Speaks HTTP/1.1, follows nothing."""
