"""One writer, many replicas of the CIB. Pure."""
