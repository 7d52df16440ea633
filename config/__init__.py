"""What may be written in a file, and the files we ship."""
