"""Runs a command on a pseudo-terminal and plays a person before it.

argv: the command. Standard input: JSON lines, each {"see": text} (waits for it), {"type": text}, {"size": [rows, columns]},
{"signal": number} (to the command) or {"raw": bool} (waits until the terminal is, or is not, raw). Prints JSON: all that was shown, the
command's status as from wait(2), and whether the terminal is at the end as it was at the beginning.
"""
import fcntl, json, os, pty, select, struct, sys, termios, time

script = [json.loads(line) for line in sys.stdin]
master, slave = pty.openpty()


def size(rows, columns):
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


size(30, 100)
before = termios.tcgetattr(slave)
pid = os.fork()
if pid == 0:
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for fd in (0, 1, 2):
        os.dup2(slave, fd)
    os.closerange(3, 100)
    os.execv(sys.argv[1], sys.argv[1:])

shown = b""
searched = 0
deadline = time.monotonic() + 30


def look(seconds=0.02):
    global shown
    if select.select([master], [], [], seconds)[0]:
        shown += os.read(master, 65536)


for step in script:
    while time.monotonic() < deadline:
        if "see" in step:
            at = shown.find(step["see"].encode(), searched)
            if at >= 0:
                searched = at + len(step["see"].encode())
                break
        elif "raw" in step:
            if bool(termios.tcgetattr(slave)[3] & termios.ICANON) != step["raw"]:
                break
        else:
            break
        look()
    if "type" in step:
        os.write(master, step["type"].encode())
    if "size" in step:
        size(*step["size"])
    if "signal" in step:
        os.kill(pid, step["signal"])

status = None
while status is None and time.monotonic() < deadline:
    look()
    ended, code = os.waitpid(pid, os.WNOHANG)
    if ended:
        status = code
if status is None:
    os.kill(pid, 9)
while select.select([master], [], [], 0.1)[0]:
    shown += os.read(master, 65536)
print(json.dumps({"shown": shown.decode(errors="replace"), "status": status, "restored": termios.tcgetattr(slave) == before}))
