"""Points spread on a sphere by a regularizer alone: the toy experiments of the papers."""
