"""The process that owns the queue: one loop, what comes in, what is answered, and what the keeper is told."""
