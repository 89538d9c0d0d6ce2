"""Runs a program for as long as standard input is open.

Whoever started this can end without a word, killed or interrupted, and what it
holds open is closed all the same. Then the program ends too, and with it what
the program started: everything that is in this process's group.
"""

import os
import signal
import subprocess
import sys
import threading


def end_when_closed():
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGKILL)


os.setpgid(0, 0)
threading.Thread(target=end_when_closed, daemon=True).start()
status = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL).wait()
os._exit(status if status >= 0 else 1)
