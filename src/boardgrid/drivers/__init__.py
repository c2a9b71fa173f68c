"""One file a kind of hardware; found by entry point."""
