"""Records what passes between a client and the real service, and makes scenarios of it.

    client ─▶ proxy ─▶ service      what passes is not changed, but for the callback address, where that is asked for
                └─▶ recorder ─▶ held against the spec ─▶ scrubbed ─▶ a file for each task, and its scenario beside it

Everything is driven by the spec; nothing here knows any provider.
"""
