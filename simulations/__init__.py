"""The engine headless: matches, crowds, replays."""
