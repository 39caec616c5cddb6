"""The steps, each a file that says what came before it."""
