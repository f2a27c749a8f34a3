"""Fuzzing a client: Hypothesis draws how the server behaves, any client runs against it, and invariants are judged.

draw.py ─▶ behaviour.py ─▶ a stage ─▶ a session ─▶ invariants.py ─▶ search.py ─▶ shrinking.py ─▶ found.py, story.py
"""
