"""A worker of a stage: claims items from a gateway, runs a command for each, and tells what came of it."""
