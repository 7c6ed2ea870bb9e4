"""CIB to working set: nodes, resources, status, constraints (scheduler part 1, 4 - 16)."""
