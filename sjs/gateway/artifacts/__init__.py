"""Where what jobs leave behind is kept: a folder or S3, what of it is taken, and links to it that expire."""
