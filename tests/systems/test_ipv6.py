"""IPv6 is off, while "localhost" is said to be ::1 first."""

from machine import WAMPD, Case, Machine

SETUP = """
for place in all default lo; do echo 1 > /proc/sys/net/ipv6/conf/$place/disable_ipv6; done
printf '::1 localhost six\\n127.0.0.1 localhost\\n' > "$HOSTS"
mount --bind "$HOSTS" /etc/hosts
"""


class WithoutIpv6(Case):
    def setUp(self) -> None:
        super().setUp()
        self.machine = self.enterContext(Machine(SETUP, HOSTS=str(self.directory / "hosts")))

    def test_localhost_is_the_other_address(self) -> None:
        with self.machine.router("--listen", "ws://localhost:0/ws") as router:
            self.says(self.machine.call(router.url), 0, "1")

    def test_all_addresses_are_those_of_ipv4(self) -> None:
        with self.machine.router("--open", "--listen", "ws://[::]:0/ws") as router:
            self.says(self.machine.call(router.url.replace("[::]", "127.0.0.1")), 0, "1")

    def test_an_address_that_is_not_there_is_told(self) -> None:
        told = self.machine.run("timeout", "20", WAMPD, "--listen", "ws://[::1]:0/ws")
        self.says(told, 1, "is IPv6 on here", "0.0.0.0 or 127.0.0.1")
        self.says(self.machine.call("ws://[::1]:8080/ws"), 3, "IPv6 is off")
        self.says(self.machine.call("ws://six:8080/ws"), 3, "IPv6 is off")

    def test_the_example(self) -> None:
        self.quickstart_works(self.machine)
