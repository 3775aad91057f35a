"""From a CSV file to a bundle."""
