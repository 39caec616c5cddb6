"""What came out of a sweep: its jobs' parameters and metrics in one table over all targets, drawn, and judged."""
