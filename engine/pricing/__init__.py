"""Models, margins and ladders: floats live here and nowhere else, and never pass a quote."""
