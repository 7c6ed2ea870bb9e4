"""Attributes of nodes and options of the cluster: where each lives, how it is read and changed."""
