"""What is written down, and how? Pure functions from records and arrays to bytes and back."""
