"""`python .ci/audit.py REQUIREMENTS`: known weaknesses of pinned packages, as pip-audit finds them.

Exit status 1 where a package has one. Without network it says so and ends with 0.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

NO_NETWORK = re.compile(
    r"connect|proxy|resolve|timed out|timeout|dns|offline|network|unreachable", re.IGNORECASE
)
COMMAND = ("uv", "tool", "run", "pip-audit", "--no-deps", "--disable-pip", "--progress-spinner", "off")


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        words = ("--requirement", sys.argv[1], "--format", "json", "--output", str(found))
        done = subprocess.run((*COMMAND, *words), capture_output=True, text=True)
        if not found.exists() or not found.read_text():
            reason = (done.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
            offline = NO_NETWORK.search(reason) is not None
            print(f"audit: {'skipped, there is no network' if offline else 'failed'}: {reason[:300]}")
            return 0 if offline else 1
        packages = json.loads(found.read_text())["dependencies"]
    skipped = [package for package in packages if "skip_reason" in package]
    weak = [package for package in packages if package.get("vulns")]
    for package in weak:
        for weakness in package["vulns"]:
            fixed = ", ".join(weakness["fix_versions"]) or "no version"
            print(f"audit: {package['name']} {package['version']}: {weakness['id']}, fixed in {fixed}")
    looked_up = len(packages) - len(skipped)
    print(f"audit: {looked_up} of {len(packages)} packages looked up, {len(weak)} with weaknesses")
    if skipped:
        print(f"audit: not looked up: {', '.join(package['name'] for package in skipped)}")
    return 1 if weak else 0


if __name__ == "__main__":
    sys.exit(main())
