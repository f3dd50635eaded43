"""What do CF, calendars and projections say?"""
