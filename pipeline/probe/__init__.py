"""What can be read from frozen features."""
