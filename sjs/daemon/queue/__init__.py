"""The queue itself: its rows, what is kept of them in memory, and how they outlive everything. Knows of no process."""
