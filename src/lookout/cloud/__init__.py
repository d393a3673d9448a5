"""The cloud that images are offloaded to: what is deployed, what its table holds, and its emulator."""
