"""One node's brain: the machines below composed into one pure step(event, now) -> effects."""
