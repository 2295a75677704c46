"""The system closes sockets, as while a laptop is suspended."""

import subprocess

from machine import Case, Machine


class Sockets(Case):
    def setUp(self) -> None:
        super().setUp()
        self.machine = self.enterContext(Machine(""))

    def close(self, *which: str) -> None:
        """Has the system close connections."""
        closed = subprocess.run(self.machine.inside("ss", "--kill", "--no-header", "--tcp", *which),
                                stdout=subprocess.PIPE, text=True, check=True)
        if not closed.stdout:
            self.skipTest("this system closes no sockets (CONFIG_INET_DIAG_DESTROY)")

    def goes_on(self, *which: str) -> None:
        """Closes connections, and sees to it that events come again."""
        with self.machine.router("--port", "0") as router, self.machine.subscriber(router.url) as subscriber:
            port = router.url.rsplit(":", 1)[1].split("/")[0]
            self.close(*(word.replace("PORT", port) for word in which))
            subscriber.wait_for("connected again")
            router.wait_for("the connection was lost")
            self.says(self.machine.call(router.url, "publish", "com.topic", "7"), 0)
            subscriber.wait_for("com.topic 7")

    def test_of_the_client(self) -> None:
        self.goes_on("dst", "127.0.0.1:PORT")

    def test_of_the_router(self) -> None:
        self.goes_on("state", "established", "src", "127.0.0.1:PORT")
