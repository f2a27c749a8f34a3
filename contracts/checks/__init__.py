"""Checks: each looks at one session, or at all sessions of a case together, and yields findings.

A folder of files by what they look at; `table.py` lists them by the names that the catalogue uses.
"""
