"""The REST API and the doors for agent and gateway. Faces only translate."""
