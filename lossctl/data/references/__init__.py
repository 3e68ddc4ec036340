"""What a reference names: files, shards and columns."""
