"""How sets are made: from images on disk, archives or a generator to the store of pipeline.data."""
