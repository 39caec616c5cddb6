"""How bytes reach a target's machine. Nothing here knows what the bytes say."""
