"""BoardGrid: a mini Grid'5000 for embedded boards."""
