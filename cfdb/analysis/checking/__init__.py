"""Does a dataset follow conventions, and the rules of its user?"""
