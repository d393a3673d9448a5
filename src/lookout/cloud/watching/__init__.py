"""Looking after a stack that is there: how its resources are, what its function did and cost, its log."""
