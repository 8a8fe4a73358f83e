"""Child processes that end with their parent, and what their lines say."""
