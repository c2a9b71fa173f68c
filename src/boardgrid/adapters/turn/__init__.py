"""Turns: which of several controllers does what is done once for the whole farm."""
