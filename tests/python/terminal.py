"""Runs a command on a terminal of a given width, and prints what it wrote.

    terminal.py [--type TEXT | --dialog MARK KEYS... --] COLUMNS PROGRAM ARGUMENT...

TEXT is typed there, and a new line. Of a dialog, each KEYS are typed as they are, after MARK
was written once more.
"""

import fcntl
import os
import struct
import subprocess
import sys
import termios


def main() -> int:
    arguments = sys.argv[1:]
    typed, mark, dialog = b"", b"", []
    if arguments[0] == "--type":
        typed = arguments[1].encode() + b"\n"
        arguments = arguments[2:]
    elif arguments[0] == "--dialog":
        end = arguments.index("--")
        mark, *dialog = [argument.encode() for argument in arguments[1:end]]
        arguments = arguments[end + 1 :]
    marks = 0
    ours, theirs = os.openpty()
    size = struct.pack("HHHH", 40, int(arguments[0]), 0, 0)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
    command = subprocess.Popen(
        arguments[1:],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        # Ctrl-C is a signal only on the terminal that controls the session.
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    os.write(ours, typed)
    written = b""
    while True:
        try:
            more = os.read(ours, 65536)
        except OSError:  # Linux tells the end so.
            break
        if not more:
            break
        written += more
        while dialog and written.count(mark) > marks:
            marks += 1
            os.write(ours, dialog.pop(0))
    sys.stdout.buffer.write(written.replace(b"\r\n", b"\n"))
    sys.stdout.buffer.flush()
    return command.wait()


if __name__ == "__main__":
    sys.exit(main())
