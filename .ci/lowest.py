"""Print the lowest version that setup.cfg allows of each package, as constraints for pip."""

import configparser
import re
import sys

config = configparser.ConfigParser()
config.read(sys.argv[1], encoding="utf-8")
extras = config["options.extras_require"]
lines = [config["options"]["install_requires"], extras["test"], extras["console"]]
for requirement in "\n".join(lines).split():
    bound = re.fullmatch(r"([\w.-]+)>=([\d.]+)(?:,<[\d.]+)?", requirement)
    if bound is None:
        sys.exit(f"{requirement}: no lowest version is stated")
    sys.stdout.write(f"{bound[1]}=={bound[2]}\n")
