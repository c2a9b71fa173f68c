"""Python client and command line, over the API alone."""

# Also in pyproject.toml; a test compares the two. Reading it from the installed package takes 30 ms.
VERSION = "0.1.0"
