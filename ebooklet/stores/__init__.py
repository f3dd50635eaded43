"""Where do objects live? Stores behind the same verbs: memory, folder, S3, HTTP."""
