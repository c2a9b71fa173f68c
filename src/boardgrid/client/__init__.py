"""Python client and command line, over the API alone."""
