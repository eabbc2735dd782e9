"""Generated faces: who, how photographed, how drawn, and a data set of them."""
