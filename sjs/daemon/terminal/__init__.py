"""What a person types on a machine: `job_manager`."""
