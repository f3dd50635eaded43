"""A real S3 server for tests: Ceph's RADOS gateway on the loopback interface.

``python -m tests.s3server COMMAND...`` starts it, runs the command with the addresses in the environment
(``CFDB_S3_ENDPOINT``, ``CFDB_S3_KEY``, ``CFDB_S3_SECRET``, ``CFDB_S3_BUCKET``, and ``CFDB_S3_STRANGER_KEY``,
``CFDB_S3_STRANGER_SECRET`` of a user without rights), stops it and returns the command's exit code.
"""
