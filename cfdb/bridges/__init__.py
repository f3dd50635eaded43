"""How do data come and go? Optional packages are imported here only, when first used."""
