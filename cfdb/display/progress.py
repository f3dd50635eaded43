"""How does long work say how far it is? As the key-value file below does."""

from ebooklet.progress import Progress, Report, reporting

__all__ = ["Progress", "Report", "reporting"]
