"""What carries jobs from the records to targets, and what became of them back into the records."""
