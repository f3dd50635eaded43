"""What does reading or storing take, and how could it take less?"""
