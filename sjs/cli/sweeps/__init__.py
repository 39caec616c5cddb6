"""A sweep at the command line: made, run, shown, and what came out of it."""
