"""What is in a data set: numbers, text, pictures."""
