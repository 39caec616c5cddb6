"""Targets that are a namespace of a Kubernetes cluster: what is in it is the queue, and there is no state but that."""
