"""Run the benchmarks one after another, or one of them: ``python -m benchmarks [NAME]``."""

import subprocess
import sys

NAMES = ("cli", "clone", "deploy", "fleet", "images", "leases", "planner")


def main() -> int:
    wanted = sys.argv[1:] or NAMES
    for name in wanted:
        if name not in NAMES:
            sys.stderr.write(f"There is no benchmark {name}; there are {', '.join(NAMES)}.\n")
            return 2
    # Each in a process of its own: none is measured with what another has loaded.
    return max(subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode for name in wanted)


if __name__ == "__main__":
    sys.exit(main())
