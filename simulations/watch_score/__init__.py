"""Score the detectors of engine.watch on bets of a crowd with planted misuse and errors."""
