"""Trees of files that go from one machine to another, read and written by both sides in the same way."""
