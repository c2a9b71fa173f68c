"""Answers to ports: one folder or file a port."""
