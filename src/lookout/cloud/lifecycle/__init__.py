"""A stack's life: planned, made, changed, deleted, and looked for afterwards."""
