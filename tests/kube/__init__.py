"""A small Kubernetes: an API server, a job controller and a node that really runs what jobs say. See `cluster.py`."""
