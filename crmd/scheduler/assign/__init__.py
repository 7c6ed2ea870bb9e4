"""Working set to chosen nodes and roles (scheduler part 1, 17 - 23)."""
