"""What is asked of a machine besides its queue: to run something now, to say what it has, to take and give files."""
