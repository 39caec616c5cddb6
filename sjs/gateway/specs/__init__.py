"""Job specs: commands that have a name, and what callers may say to them. A value never becomes part of a shell's
text."""
