"""Throw-away clusters in namespaces on one machine."""
