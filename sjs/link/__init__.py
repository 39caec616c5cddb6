"""The way of a typed command to the process that is warm already. Loads nothing but what Python has built in."""
