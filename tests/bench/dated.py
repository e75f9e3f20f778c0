"""What stands with every figure: the command, the day, the revision, the machine and its load."""

import os
import platform
import subprocess
from datetime import date
from pathlib import Path


def dated(command):
    """Describe a measurement, as the first keys of its record."""
    words = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    return {
        "command": command,
        "date": f"{date.today():%Y-%m-%d}",
        "revision": found.stdout.strip() or "not known",
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load": round(os.getloadavg()[0], 1),
    }
