"""Running a sweep: who gets which of its jobs, and when; what there is of it already."""
