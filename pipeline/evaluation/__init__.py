"""Evidence: embeddings, linear probes, k-NN, collapse monitors."""
