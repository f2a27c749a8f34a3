"""`python -m contracts` is the command `omnimock`, for a checkout that is not installed."""

from contracts.cli import main

main()
