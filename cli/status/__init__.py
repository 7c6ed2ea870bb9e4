"""What a person wants to know about a cluster: model, and text, XML and JSON of it."""
