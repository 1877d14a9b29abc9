"""The console's process: `python -m gateway.console`, started and told by its keeper."""

import os
import sys
import tempfile

# NiceGUI's own store is not used: nothing of a user is written by it, and nothing to this folder.
os.environ.setdefault("NICEGUI_STORAGE_PATH", os.path.join(tempfile.gettempdir(), "overround"))

from gateway.console.server import main

sys.exit(main())
