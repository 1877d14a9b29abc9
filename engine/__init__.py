"""The rules of the game: pure, deterministic, no I/O, no clock, no Ray."""
