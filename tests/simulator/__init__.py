"""A deterministic simulator of the whole money path: one process, virtual time, one seed."""
