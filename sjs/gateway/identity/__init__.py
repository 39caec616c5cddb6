"""Who asks, what they may, how much of it, and what is refused before anybody looks at who it was."""
