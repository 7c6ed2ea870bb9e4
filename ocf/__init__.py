"""Resource agents in Python, and the executor that runs any agent of any class."""
