"""What can be done with whole datasets: copy, combine, interpolate, check, advise?"""
