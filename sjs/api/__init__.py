"""What `import sjs` gives to Python code: the targets, jobs and promises of the command line."""
