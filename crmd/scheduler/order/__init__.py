"""What comes before what: orderings, relations between actions, and their propagation."""
