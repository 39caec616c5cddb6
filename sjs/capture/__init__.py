"""Takes a tree of files as it is now, for jobs to run in."""
