"""Load model files as embedders (images in, embeddings out), and export them to other formats."""

from arcface_plus.embedder.load import Embedder, load_embedder

__all__ = ["Embedder", "load_embedder"]
