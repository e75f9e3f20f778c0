"""Build the wheel and fail unless it holds every shipped analysis and data set."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["uv", "build", "-q", "--wheel", "--out-dir", folder], cwd=ROOT, check=True)
        (wheel,) = Path(folder).glob("*.whl")
        held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {f"bayesrtw/models/{path.name}" for path in (ROOT / "models").glob("*.toml")}
    wanted |= {"bayesrtw/models/register.lock", "bayesrtw/py.typed", "bayesrtw/core.txt"}
    wanted |= {"bayesrtw/model/published.csv", "bayesrtw/reading/headings.csv"}
    wanted |= {
        f"bayesrtw/data/{path.parent.name}/{path.name}"
        for pattern in ("*/*.csv", "*/*.toml")
        for path in (ROOT / "data").glob(pattern)
    }
    missing = sorted(wanted - held)
    sys.stdout.write(f"{len(wanted)} shipped files, {len(missing)} missing {missing}\n")
    return bool(missing)


if __name__ == "__main__":
    sys.exit(main())
