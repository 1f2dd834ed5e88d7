"""The music service of assignment 3, with its bug.

The service says its unique code in its log, when it starts and whenever `GET /api/v1/music/test` fails. Find it
there (`a3 logs s2`), fix the one line below, and apply again.
"""

import hashlib
import logging

from flask.logging import default_handler

import music

# THE BUG: this must be the unique code from the log. Fix it by editing this one line.
CODE_FROM_THE_LOG = ""

UNIQUE_CODE = hashlib.sha256(b"music-service, assignment 3").hexdigest()

# Flask's own format, `[date] ERROR in app: …`, also before there is a Flask application.
log = logging.getLogger("app")
log.addHandler(default_handler)


def test():
    """Fails until the bug is fixed."""
    if CODE_FROM_THE_LOG != UNIQUE_CODE:
        log.error("Unique code: %s", UNIQUE_CODE)
        raise RuntimeError("the bug of app-a3.py is not fixed")


if __name__ == "__main__":
    if CODE_FROM_THE_LOG != UNIQUE_CODE:
        log.error("Unique code: %s", UNIQUE_CODE)
    music.serve(test)
