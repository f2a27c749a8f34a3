"""Tests of the examiner, in `contracts/`."""
