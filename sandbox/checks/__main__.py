"""Runs all checks, or those whose names contain an argument."""

import sys
import time
import traceback

from checks import ec2, ending, hosts, registries, taps, tools


def main() -> int:
    world = tools.World()
    passed, failed = 0, 0
    try:
        for module in (registries, ec2, hosts, taps, ending):
            for name, check in vars(module).items():
                if not name.startswith("check_"):
                    continue
                title = name.removeprefix("check_").replace("_", " ")
                if sys.argv[1:] and not any(a in title for a in sys.argv[1:]):
                    continue
                began = time.monotonic()
                try:
                    check(world)
                    passed += 1
                    print(f"ok    {title} ({time.monotonic() - began:.1f} s)", flush=True)
                except Exception:  # every kind of failure is a failed check
                    failed += 1
                    print(f"FAIL  {title}\n{traceback.format_exc()}", flush=True)
    finally:
        world.close()
    print(f"sandbox: {passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
