"""Thin shells round the engine, their placement and supervision, and the ferrying between them."""
