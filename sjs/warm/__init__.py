"""The process that has loaded all that commands need, and carries out each in a child of its own."""
