"""Pure ASGI: the HTTP edge and what a request meets before it is decoded. Speaks no protocol above HTTP."""
