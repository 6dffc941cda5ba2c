"""One port by one command: sockets and streams go to async code, all other HTTP to Django's WSGI side in threads.

Django under ASGI is several times slower than under WSGI on small answers, so ASGI is used only where a connection
stays open. In production the two halves may also run as processes of their own (`--interface wsgi` and `asgi`).
"""
