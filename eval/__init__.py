"""Floor 2: what a set of embeddings is worth. Knows no model and no training."""
