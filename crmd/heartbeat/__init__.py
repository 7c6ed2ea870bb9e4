"""Heartbeat protocol machines: ha.cf, authkeys, wire format, delivery, liveness, media."""
