"""Heartbeat v1: parse haresources, convert to a CIB, the v1 take-over protocol."""
