"""The cluster information base: document, schema, patches, rules, durable store."""
