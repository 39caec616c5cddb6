"""jobmgr's HTTP API, for clients that were written for it."""
