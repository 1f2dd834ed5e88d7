"""The music service: songs from a CSV file, kept in memory, served as JSON.

Every assignment's `app.py` calls `serve` with its own test; everything else is the same for all.
"""

import csv
import logging
import os
import signal
import sys
import threading
import uuid

from flask import Blueprint, Flask, jsonify, request

DATA = "/data/music.csv"
PREFIX = "/api/v1/music"


class Songs:
    """The songs by id. Requests are served by several threads."""

    def __init__(self, songs):
        self._songs = dict(songs)
        self._lock = threading.Lock()

    @classmethod
    def read(cls, path):
        """Reads `id,artist,title` lines, the first of which is the header."""
        with open(path, newline="", encoding="utf-8") as file:
            return cls((row["id"], song(row["artist"], row["title"])) for row in csv.DictReader(file))

    def all(self):
        with self._lock:
            return [{"id": key, **value} for key, value in self._songs.items()]

    def get(self, key):
        with self._lock:
            value = self._songs.get(key)
        return value and {"id": key, **value}

    def add(self, artist, title):
        key = str(uuid.uuid4())
        with self._lock:
            self._songs[key] = song(artist, title)
        return key

    def remove(self, key):
        with self._lock:
            return self._songs.pop(key, None) is not None


def song(artist, title):
    return {"artist": artist, "title": title}


def create(songs, test, served_by=None):
    """The Flask application. `test` is called by `GET …/test` and raises while something is wrong;
    `served_by` is said with every answer."""
    app = Flask("app")
    routes = Blueprint("music", __name__)

    @routes.get("/")
    def list_all():
        found = songs.all()
        return jsonify(count=len(found), songs=found)

    @routes.get("/<key>")
    def get(key):
        found = songs.get(key)
        return jsonify(found) if found else (jsonify(error="no such song"), 404)

    @routes.post("/")
    def add():
        content = request.get_json(silent=True)
        fields = content if isinstance(content, dict) else {}
        artist, title = fields.get("artist"), fields.get("title")
        if not (isinstance(artist, str) and isinstance(title, str) and artist and title):
            return jsonify(error="send JSON with artist and title"), 400
        return jsonify(id=songs.add(artist, title)), 201

    @routes.delete("/<key>")
    def remove(key):
        return ("", 204) if songs.remove(key) else (jsonify(error="no such song"), 404)

    @routes.get("/health")
    @routes.get("/readiness")
    def healthy():
        return jsonify(status="ok")

    @routes.get("/test")
    def run_test():
        test()
        return jsonify(status="ok")

    @app.after_request
    def say_who(response):
        if served_by:
            response.headers["X-Served-By"] = served_by
        return response

    app.register_blueprint(routes, url_prefix=PREFIX)
    return app


def serve(test, served_by=None):
    """Runs the service on the port that the command line names, until SIGTERM."""
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.exit("usage: app.py PORT")
    # Process 1 of a container has no default action for SIGTERM: without a handler, a stop takes the
    # whole grace period.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    path = os.environ.get("MUSIC_CSV", DATA)
    try:
        songs = Songs.read(path)
    except (OSError, KeyError, ValueError) as error:
        sys.exit(f"cannot read the songs from {path}: {error!r}")
    app = create(songs, test, served_by)
    app.logger.setLevel(logging.INFO)
    app.run(host="0.0.0.0", port=int(sys.argv[1]))
