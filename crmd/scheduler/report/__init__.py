"""What the scheduler decided, for people."""
