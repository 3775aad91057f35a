"""Whole files → the same with predictions, in bounded memory, on all CPUs or several machines."""
