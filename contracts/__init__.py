"""The examiner: validates clients against the twin. Its command line is the command `omnimock`."""
