"""Training anew, by schedule or by an alert, and serving what is no worse than what is served."""
