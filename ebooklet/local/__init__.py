"""How is a Booklet file made atomic, durable and readable while it is written?"""
