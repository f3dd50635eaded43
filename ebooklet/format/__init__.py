"""What is written down? Pure functions from records to bytes and back."""
