"""How are chunked arrays gone through, grouped and reduced within a budget of memory?"""
