"""Which bundle is served: where it comes from, and what becomes of it when it changes there."""
