"""The neighbour engine: the nearest other row of every row, exact or from remembered candidates."""
