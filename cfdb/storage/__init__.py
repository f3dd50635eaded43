"""How do chunks move between stores and arrays?"""
