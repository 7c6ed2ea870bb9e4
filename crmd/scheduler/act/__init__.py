"""Which actions exist: probes, starts, stops, monitors, fencing, notifications."""
