"""`python -m mock_server serve` runs the server without the rest of the kit."""

from mock_server.cli import main

main()
