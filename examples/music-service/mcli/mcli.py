#!/usr/bin/env python3
"""A line client for the music service: python3 mcli.py ADDRESS PORT

Commands: read [ID], create ARTIST TITLE, delete ID, test, help, quit. A name of several words is put in
quotes. The end of the input ends it. Exit code: 0 if every command worked, 1 if one did not, 2 for a wrong
command line. Needs nothing but Python's standard library.
"""

import json
import shlex
import sys
import urllib.error
import urllib.request

TIMEOUT = 10
HELP = "read [ID] · create ARTIST TITLE · delete ID · test · quit"


class Failed(Exception):
    """A command that did not work, with what to say about it."""


class Client:
    """One music service."""

    def __init__(self, address, port):
        self.base = f"http://{address}:{port}/api/v1/music/"
        # The service is asked directly, whatever proxy the environment names.
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, method, path="", content=None):
        body = None if content is None else json.dumps(content).encode()
        question = urllib.request.Request(self.base + path, body, {"Content-Type": "application/json"}, method=method)
        try:
            with self.opener.open(question, timeout=TIMEOUT) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise Failed(f"Non-successful status code: {error.code}") from None
        except (urllib.error.URLError, OSError) as error:
            raise Failed(f"Cannot reach {self.base}: {getattr(error, 'reason', error)}") from None
        try:
            return json.loads(text) if text else {}
        except ValueError:
            raise Failed(f"{self.base} does not answer as a music service does") from None

    def read(self, *key):
        if key:
            songs = [self.ask("GET", urllib.request.quote(key[0], safe=""))]
        else:
            songs = self.ask("GET")["songs"]
        for song in songs:
            print(f"{song['id']}  {song['artist']}: {song['title']}")
        print(f"{len(songs)} song{'' if len(songs) == 1 else 's'}")

    def create(self, artist, title):
        print(self.ask("POST", content={"artist": artist, "title": title})["id"])

    def delete(self, key):
        self.ask("DELETE", urllib.request.quote(key, safe=""))
        print("Deleted")

    def test(self):
        self.ask("GET", "test")
        print("Success")


def run(client, line):
    """Does what one line says; false once it says to quit."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise Failed(f"Cannot read this line: {error}") from None
    if not words:
        return True
    command, arguments = words[0], words[1:]
    commands = {"read": (client.read, 0, 1), "create": (client.create, 2, 2)}
    commands |= {"delete": (client.delete, 1, 1), "test": (client.test, 0, 0)}
    if command in ("quit", "exit"):
        return False
    if command in ("help", "?"):
        print(HELP)
        return True
    if command not in commands:
        raise Failed(f"Unknown command: {command} ({HELP})")
    function, least, most = commands[command]
    if not least <= len(arguments) <= most:
        raise Failed(f"Wrong number of arguments for {command} ({HELP})")
    function(*arguments)
    return True


def lines(interactive):
    """The lines of the input, with a prompt where a person types."""
    while True:
        try:
            yield input("mql: " if interactive else "")
        except EOFError:
            return


def main(arguments):
    if len(arguments) != 2 or not arguments[1].isdigit():
        print(__doc__.splitlines()[0], file=sys.stderr)
        return 2
    client = Client(*arguments)
    interactive = sys.stdin.isatty()
    code = 0
    for line in lines(interactive):
        try:
            if not run(client, line):
                break
        except Failed as failure:
            print(failure, flush=True)
            code = 1
    return code


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read the output has gone (`| head`).
        sys.stderr.close()
        sys.exit(1)
