"""Which release is this?"""

from importlib.metadata import version

VERSION = version("cfdb")
