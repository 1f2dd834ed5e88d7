"""Tests of the service and its client, against each other: python -m unittest (needs Flask)."""

import contextlib
import importlib.util
import io
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

import music

HERE = pathlib.Path(__file__).parent


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, HERE / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


mcli = load("mcli", "mcli/mcli.py")


class Routes(unittest.TestCase):
    def setUp(self):
        self.client = music.create(music.Songs.read(HERE / "music.csv"), lambda: None).test_client()

    def test_the_songs_are_those_of_the_file(self):
        answer = self.client.get("/api/v1/music/").get_json()
        self.assertEqual(answer["count"], 5)
        self.assertIn("Dvořák", answer["songs"][3]["artist"])

    def test_a_song_comes_and_goes(self):
        answer = self.client.post("/api/v1/music/", json={"artist": "A", "title": "T"})
        self.assertEqual(answer.status_code, 201)
        path = "/api/v1/music/" + answer.get_json()["id"]
        self.assertEqual(self.client.get(path).get_json()["title"], "T")
        self.assertEqual(self.client.delete(path).status_code, 204)
        self.assertEqual(self.client.delete(path).status_code, 404)
        self.assertEqual(self.client.get(path).status_code, 404)

    def test_what_is_no_song_is_refused(self):
        for content in ({}, {"artist": "A"}, {"artist": "", "title": "T"}, {"artist": 1, "title": "T"}, ["A", "T"]):
            self.assertEqual(self.client.post("/api/v1/music/", json=content).status_code, 400, content)
        self.assertEqual(self.client.post("/api/v1/music/", data="{").status_code, 400)

    def test_it_is_healthy(self):
        for path in ("health", "readiness", "test"):
            self.assertEqual(self.client.get("/api/v1/music/" + path).status_code, 200, path)

    def test_an_answer_says_who_gave_it(self):
        songs = music.Songs.read(HERE / "music.csv")
        client = music.create(songs, lambda: None, served_by="web-1").test_client()
        self.assertEqual(client.get("/api/v1/music/").headers["X-Served-By"], "web-1")
        self.assertNotIn("X-Served-By", self.client.get("/api/v1/music/").headers)


class Service(unittest.TestCase):
    """The service as a process, as the container runs it."""

    def start(self, app, data=HERE / "music.csv"):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = str(free.getsockname()[1])
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        (folder / "app.py").write_text(app, encoding="utf-8")
        log = self.enterContext(open(folder / "log", "w+", encoding="utf-8"))
        environment = {**os.environ, "MUSIC_CSV": str(data), "PYTHONPATH": str(HERE), "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "app.py", self.port]
        self.process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        self.addCleanup(self.process.wait)
        self.addCleanup(self.process.kill)
        self.log = lambda: (folder / "log").read_text(encoding="utf-8")

    def up(self):
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", int(self.port))):
                return
            self.assertIsNone(self.process.poll(), self.log())
            time.sleep(0.1)
        self.fail("it does not answer")

    def say(self, text):
        command = [sys.executable, HERE / "mcli/mcli.py", "127.0.0.1", self.port]
        result = subprocess.run(command, input=text, capture_output=True, text=True, timeout=30)
        return result.returncode, result.stdout

    def test_the_bug_is_found_in_the_log_and_fixed_in_one_line(self):
        app = (HERE / "app-a3.py").read_text(encoding="utf-8")
        self.start(app)
        self.up()
        self.assertEqual(self.say("test\n"), (1, "Non-successful status code: 500\n"))
        codes = re.findall(r"^\[[-0-9:, ]+\] ERROR in app: Unique code: ([0-9a-f]{64})$", self.log(), re.M)
        self.assertEqual(len(codes), 2, self.log())
        fixed, lines = re.subn(r'^CODE_FROM_THE_LOG = ""$', f'CODE_FROM_THE_LOG = "{codes[0]}"', app, flags=re.M)
        self.assertEqual(lines, 1)
        self.start(fixed)
        self.up()
        self.assertEqual(self.say("test\nquit\ntest\n"), (0, "Success\n"))
        self.assertNotIn("Unique code", self.log())
        self.assertIn('"GET /api/v1/music/test HTTP/1.1" 200 -', self.log())

    def test_the_earlier_assignments_have_no_bug(self):
        for app in ("app-a1.py", "app-a2.py"):
            self.start((HERE / app).read_text(encoding="utf-8"))
            self.up()
            self.assertEqual(self.say("test"), (0, "Success\n"), app)

    def test_it_ends_at_once_when_told_to(self):
        self.start((HERE / "app-a1.py").read_text(encoding="utf-8"))
        self.up()
        self.process.send_signal(signal.SIGTERM)
        self.assertEqual(self.process.wait(timeout=5), 0)

    def test_without_its_data_it_does_not_start(self):
        self.start((HERE / "app-a1.py").read_text(encoding="utf-8"), data="/nonexistent.csv")
        self.assertEqual(self.process.wait(timeout=10), 1)
        self.assertIn("cannot read the songs from /nonexistent.csv", self.log())

    def test_the_client_reads_creates_and_deletes_through_a_pipe(self):
        self.start((HERE / "app-a1.py").read_text(encoding="utf-8"), data=HERE / "odd/music.csv")
        self.up()
        code, text = self.say("read\n")
        self.assertEqual((code, text.splitlines()[-1]), (0, "3 songs"))
        code, text = self.say('create "Some Artist" "Some Title"\n')
        key = text.strip()
        self.assertEqual(self.say(f"read {key}\n"), (0, f"{key}  Some Artist: Some Title\n1 song\n"))
        self.assertEqual(self.say(f"delete {key}\ndelete {key}\n"), (1, "Deleted\nNon-successful status code: 404\n"))
        code, text = self.say("sing\ncreate one\nread 'x\n")
        self.assertEqual((code, len(text.splitlines())), (1, 3), text)


class CommandLine(unittest.TestCase):
    def test_a_wrong_command_line_is_told_apart(self):
        with mock.patch.object(sys, "stderr", io.StringIO()):
            for arguments in ([], ["127.0.0.1"], ["127.0.0.1", "port"]):
                self.assertEqual(mcli.main(arguments), 2)

    def test_nobody_there_is_said(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        with self.assertRaisesRegex(mcli.Failed, "Cannot reach"):
            mcli.run(mcli.Client("127.0.0.1", port), "test")


if __name__ == "__main__":
    unittest.main()
