"""The cluster resource manager: who is alive, who decides, what to do next."""
