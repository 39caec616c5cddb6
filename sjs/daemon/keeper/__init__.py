"""The process that holds the jobs. It knows nothing of the database, so that little in it can go wrong."""
