"""Feeds: outside messages turned into commands, at least once in, exactly once applied."""
