"""Sockets, sessions, wire messages, auth, console and command line."""
