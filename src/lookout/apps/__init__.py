"""The edges: they translate between the world and the house, and do nothing else."""
