"""What every Python client here uses: claims that print PASS or FAIL, and what the runner hands over."""

import json
import os
import sys
import traceback

DEMO = json.load(open(os.environ["DEMO"]))
EHR = os.environ["EHR"]
REGISTERED = json.load(open(os.environ["REGISTERED"])) if "REGISTERED" in os.environ else {}

_failed = 0


def claim(text, holds, detail=""):
    """One line a claim; the detail is shown when it does not hold."""
    global _failed
    if holds:
        print(f"PASS {text}")
    else:
        _failed += 1
        print(f"FAIL {text}" + (f": {str(detail)[:600]}" if detail != "" else ""))
    return holds


def attempt(text, action):
    """The claim that an action does not throw; its value."""
    try:
        value = action()
    except Exception as error:  # a foreign library may throw anything
        where = traceback.extract_tb(error.__traceback__)[-1]
        body = getattr(getattr(error, "response", None), "text", "")
        claim(text, False, f"{type(error).__name__}: {error} {body} ({where.filename.split('/')[-1]}:{where.lineno})")
        return None
    claim(text, True)
    return value


def end():
    """Leaves with a code that tells."""
    sys.stdout.flush()
    sys.exit(1 if _failed else 0)
