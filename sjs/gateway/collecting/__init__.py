"""What jobs leave on their machines, on its way into the store."""
