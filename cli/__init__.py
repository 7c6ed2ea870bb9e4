"""What people type. Words in, text out; no decision is made here."""
