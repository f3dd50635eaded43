"""How do values get to places where there are none: grids, points, levels, holes?"""
