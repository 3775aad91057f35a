"""What people get to see of a training: progress, the model card and its plots, a tracked run."""
