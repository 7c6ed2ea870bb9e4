"""The crm shell: one file per level."""
