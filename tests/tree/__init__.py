"""The tree's own rules: sizes, imports, names, dependencies, and documents that agree with code."""
