"""/api/v1/stages: pipelines, their items, and whoever claims them."""
