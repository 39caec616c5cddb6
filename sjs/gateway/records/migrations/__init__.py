"""The history of the tables, a step in each file of `versions`."""
