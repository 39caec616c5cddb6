"""What sjs decides: values in, values out. Nothing here opens a file, reads a clock or draws a random number."""
