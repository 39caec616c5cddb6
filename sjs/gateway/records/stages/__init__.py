"""Pipelines and their items in the records: what is said of them, what is decided, how it is written."""
