"""Which objects does a user touch?"""
