"""CIB in, transition out. Pure: no I/O, the time is an argument."""
