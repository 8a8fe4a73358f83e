"""I-JEPA: masking, encoder, predictor, objective."""
