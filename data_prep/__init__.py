"""Floor 1: data sets on disk. Their formats, how they are made, what is wrong with them."""
