"""Walks a transition graph. Pure."""
