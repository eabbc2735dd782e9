"""Any model file → images in, embeddings out; and back into files that others load."""

from arcface_plus.embedder.load import Embedder, load_embedder

__all__ = ["Embedder", "load_embedder"]
