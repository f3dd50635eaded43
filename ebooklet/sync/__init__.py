"""Who carries out the plans? Threads, retries, progress and resuming live here."""
