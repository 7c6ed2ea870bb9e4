"""Resource agents, one file each."""
