"""The music service of assignment 4: on several machines, and every answer says which container gave it."""

import socket

import music

if __name__ == "__main__":
    music.serve(test=lambda: None, served_by=socket.gethostname())
