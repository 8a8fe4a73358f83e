"""What groups of features stand for and share."""
