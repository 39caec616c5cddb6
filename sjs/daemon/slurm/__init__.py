"""The keeper's hands where Slurm runs the jobs: what starts, signals and finds them, and the program on the nodes."""
