"""The parts of the pytest plugin. contracts/pytest_plugin.py is its face, and imports them when a test wants them."""
