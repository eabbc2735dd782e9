"""The neighbour engine: the nearest other row of every row, exactly or from remembered candidates."""
