"""The hands of a site: wish, look, decide, act."""
