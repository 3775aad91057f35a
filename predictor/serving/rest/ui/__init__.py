"""The what-if page: its files, and the routes that serve them."""
