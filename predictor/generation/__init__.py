"""A bundle + its experiment + settings → a folder that a team runs its model from."""
