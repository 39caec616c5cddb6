"""What a person types, and what they see. Decides nothing about jobs; data goes to stdout, notices to stderr."""
