"""The peer under test as a process: an echo server, and a client of echo servers."""

import asyncio

START_SECONDS = 30
TALK_SECONDS = 120


class Server:
    """The server, on a port that the system chose. Its value is its URI."""

    def __init__(self, binary):
        self.binary = binary

    async def __aenter__(self):
        pipe = asyncio.subprocess.PIPE
        # It ends with its standard input, so also with this process.
        self.process = await asyncio.create_subprocess_exec(
            self.binary, "serve", stdin=pipe, stdout=pipe
        )
        line = await asyncio.wait_for(self.process.stdout.readline(), START_SECONDS)
        if not line:
            raise AssertionError("the server did not start")
        return line.decode().strip()

    async def __aexit__(self, *_):
        self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), START_SECONDS)
        except TimeoutError:
            self.process.kill()
            raise


async def run_client(binary, *arguments, seconds=TALK_SECONDS):
    """Runs the client to its end, and returns what it has printed."""
    process = await asyncio.create_subprocess_exec(
        binary, *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), seconds)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        raise AssertionError(f"the client failed: {' '.join(arguments)}")
    return output.decode().strip()


def check(what, seen, expected):
    """Fails with what was seen and what should have been."""
    if seen != expected:
        raise AssertionError(f"{what}: expected {expected!r}, saw {seen!r}")
