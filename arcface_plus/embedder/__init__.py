"""Any model file → images in, embeddings out; and back into files that others load."""
