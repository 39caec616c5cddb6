"""Webhooks: what brings events to those who have said where to."""
