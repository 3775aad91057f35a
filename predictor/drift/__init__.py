"""Drift away from the server: files or captured requests against a bundle's profile."""
