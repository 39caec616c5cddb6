"""What can be asked of an entry under `managers:`, one module for each kind."""
