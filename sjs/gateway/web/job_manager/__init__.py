"""job_manager's requests, for workers that were written for it: they ask for a job at a stage, and move it on."""
