"""sjs: one job queue over the machines you can reach. Importing this package imports nothing else."""

__version__ = "0.1.0"
