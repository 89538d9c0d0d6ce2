"""Prints how many arm64 instructions a function takes to start: from its first one, the
loader's, up to its first request for an event.

    python start_instructions.py QEMU SYSROOT PROGRAM
"""

import os
import socket
import subprocess
import sys

qemu, sysroot, program = sys.argv[1:]
runtime_api = socket.create_server(("127.0.0.1", 0))
runtime_api.settimeout(60)
port = runtime_api.getsockname()[1]
env = {
    "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}",
    "AWS_LAMBDA_FUNCTION_NAME": "inventory",
    "AWS_LAMBDA_FUNCTION_VERSION": "1",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
    "AWS_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "TABLE_NAME": "inventory",
}
# QEMU writes a line for each instruction.
trace, log = os.pipe()
command = [qemu, "-singlestep", "-d", "exec,nochain", "-D", f"/dev/fd/{log}", "-L", sysroot, program]
counting = subprocess.Popen(["grep", "--count", "^Trace "], stdin=trace, stdout=subprocess.PIPE)
function = subprocess.Popen(command, env=env, pass_fds=[log], stdout=sys.stderr)
os.close(trace)
os.close(log)
try:
    asked, _ = runtime_api.accept()
    asked.settimeout(60)
    request = asked.recv(4096)
finally:
    function.kill()
    function.wait()
instructions = int(counting.communicate()[0])
if not request.startswith(b"GET /2018-06-01/runtime/invocation/next "):
    sys.exit(f"not a request for an event: {request!r}")
print(instructions)
