"""Fuzzing a client: Hypothesis draws how the server behaves, any client runs against it, and invariants are judged.

behaviours.py ─▶ stage ─▶ session ─▶ invariants.py ─▶ shrunk by search.py ─▶ found.py, story.py
"""
