"""The twin: a server, driven by a spec, that behaves like an asynchronous task API."""

__version__ = "0.1.0"
