"""What docs/ROUTER.md tells those to do who outgrow the embedded router: the blocks of its section about that, with
addresses and keys of this machine in them. How a node is started and ended is left to node.py."""

import json
import re
from pathlib import Path
from urllib.parse import urlsplit

from node import Node, free_port, make_key
from relay import Relay

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "ROUTER.md"
SECTION = "## From here to a cluster"
# The hosts of the document, and where they are here: addresses of their own, so that the ports stay the same.
HOSTS = {"10.0.0.1": "127.0.0.1", "10.0.0.2": "127.0.0.2"}
PORTS = ("8080", "8081")  # for the clients, for the other node


def blocks() -> tuple[str, str, str]:
    """The configuration of node A, and a client's options with the embedded router and with the cluster."""
    section = DOCUMENT.read_text(encoding="utf-8").split(f"\n{SECTION}\n")[1].split("\n## ")[0]
    alone, clustered, node = re.findall(r"^```json\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return node, alone, clustered


def replaced(text: str, values: dict[str, str]) -> str:
    """The text with each of the keys replaced, all at once."""
    for key in values:
        assert key in text, f"{DOCUMENT} has no {key} any more in:\n{text}"
    return re.sub("|".join(map(re.escape, values)), lambda found: values[found[0]], text)


def single(port: int) -> dict:
    """A client's options with the embedded router, which listens at a port."""
    return json.loads(replaced(blocks()[1], {"10.0.0.1": "127.0.0.1", "8080": str(port)}))


class Cluster:
    """Two nodes of Crossbar.io, `a` and `b`, linked to each other."""

    def __init__(self, directory: Path) -> None:
        configuration, _, options = blocks()
        ports = {port: str(free_port()) for port in PORTS}
        for name in "ab":
            (directory / name).mkdir()
        keys = {name: make_key(directory / name) for name in "ab"}
        mirrored = {"10.0.0.1": "10.0.0.2", "10.0.0.2": "10.0.0.1", "node-a": "node-b", "node-b": "node-a", "to-b": "to-a"}
        of_a = {**HOSTS, **ports, "PUBLIC-KEY-OF-NODE-B": keys["b"]}
        of_b = {**HOSTS, **ports, "PUBLIC-KEY-OF-NODE-B": keys["a"]}
        self._links: list[Relay] = []
        self.a = Node(directory / "a", self._relayed(replaced(configuration, of_a)))
        self.b = Node(directory / "b", self._relayed(replaced(replaced(configuration, mirrored), of_b)))
        self._options = json.loads(replaced(options, {**HOSTS, "8080": ports["8080"]}))

    def _relayed(self, text: str) -> dict:
        """A configuration whose link goes through a relay, so that it can be cut."""
        configuration = json.loads(text)
        [link] = configuration["workers"][0]["realms"][0]["rlinks"]
        relay = Relay(link["transport"]["url"], Path())
        self._links.append(relay)
        link["transport"]["url"] = relay.url
        link["transport"]["endpoint"].update(host=urlsplit(relay.url).hostname, port=urlsplit(relay.url).port)
        return configuration

    def start(self) -> None:
        self.a.start()
        self.b.start()

    def stop(self) -> None:
        self.a.stop()
        self.b.stop()
        for link in self._links:
            link.close()

    def cut(self) -> None:
        """Cuts the links; they are made again by the nodes."""
        for link in self._links:
            link.cut()

    def options(self, first: str) -> dict:
        """Those of a client that prefers a node."""
        transports = self._options["transports"]
        return {**self._options, "transports": transports if first == "a" else transports[::-1]}

    def url(self, name: str) -> str:
        return self.options(name)["transports"][0]["url"]

