"""How do two versions of a dataset differ?"""
