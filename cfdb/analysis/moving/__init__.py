"""How do values get from one dataset into another: copies, combination, writing by label?"""
