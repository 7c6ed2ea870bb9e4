"""Fencing policy. Pure; I/O through the executor."""
