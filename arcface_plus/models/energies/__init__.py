"""Sums over all pairs of rows of a matrix, tile by tile."""
