"""The full-screen view of machines and jobs."""
