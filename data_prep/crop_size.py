"""The side of the field's face crops, which everything from alignment to the network agrees on."""

SIDE = 112  # pixels
