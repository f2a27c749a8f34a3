"""Drivers: the ways to tell a client under test what to do. One file each; `base.py` says what they have in common."""
