# Asks programs/inference.c for digits without end: ask.py PORT DIGITS SECONDS. A line for each request: when, the status of the answer or what went
# wrong, the instance that answered, its number, how many labels were right, and the milliseconds that it took.
import socket, sys, time

port, seconds = int(sys.argv[1]), float(sys.argv[3])
lines = open(sys.argv[2], 'rb').read()
labels = [line.split()[0] for line in lines.splitlines()]
request = b'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n' % len(lines) + lines
end = time.time() + seconds
while time.time() < end:
    start = time.time()
    try:
        with socket.create_connection(('127.0.0.1', port), 10) as connection:
            connection.settimeout(10)
            connection.sendall(request)
            answer = b''
            while piece := connection.recv(65536):
                answer += piece
        head, _, body = answer.partition(b'\r\n\r\n')
        fields = dict(line.split(b': ', 1) for line in head.split(b'\r\n')[1:])
        right = sum(line.split()[:1] == [label] for line, label in zip(body.splitlines(), labels))
        said = [head.split()[1], fields[b'X-Instance'], fields[b'X-Number'], b'%d/%d' % (right, len(labels))]
        text = b' '.join(said).decode()
    except Exception as error:
        text = 'FAILED ' + repr(error)
    print(f'{start:.3f} {text} {(time.time() - start) * 1000:.0f}', flush=True)
    time.sleep(0.1)
