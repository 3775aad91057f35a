"""The model itself: boosters as trees, their stack, and the intervals of its answers."""
