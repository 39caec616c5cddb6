"""The short-lived process that brings one client's requests to a queue, whoever serves it, or nobody."""
