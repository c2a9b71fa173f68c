"""The SSH door of a site."""
