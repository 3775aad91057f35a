"""The life of a connection: what may come and how slowly, and how it ends."""
