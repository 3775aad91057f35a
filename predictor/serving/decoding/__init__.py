"""What a client sends → a Batch, or what is wrong with it."""
