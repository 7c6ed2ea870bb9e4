"""The only room with clocks, sockets, processes and disks."""
