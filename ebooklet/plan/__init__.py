"""What to read, what to write, what conflicts? Pure: plans are printable values."""
