"""What callers say about a request, held against a contract."""
