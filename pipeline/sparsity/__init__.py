"""Group sparsity on token embeddings: the oi-VAE module, its rivals, and the groups they share."""
