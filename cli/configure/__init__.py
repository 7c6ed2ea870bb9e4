"""The configuration language of the crm shell: words to CIB elements, and elements to words."""
