"""No file system can be written to."""

from machine import PYTHON, ROOT, WAMPD, Case, Machine

SETUP = """
mount --make-rprivate /
while read -r _ place type _; do
  case $type in proc|sysfs|devtmpfs|devpts|cgroup*|mqueue) continue ;; esac
  case $place in /dev*|/proc*|/sys*) continue ;; esac
  mount -o remount,bind,ro "$place"
done < /proc/self/mounts
! touch "$DIRECTORY/file" 2> /dev/null
"""


class ReadOnly(Case):
    def setUp(self) -> None:
        super().setUp()
        (self.directory / "index.html").write_text("a page")
        (self.directory / "wampd.json").write_text('{"realms": ["realm1"]}')
        self.machine = self.enterContext(Machine(SETUP, DIRECTORY=str(self.directory)))

    def test_the_programs(self) -> None:
        config = ("--config", self.directory / "wampd.json")
        with self.machine.router(*config, "--port", "0", "--static", self.directory) as router:
            self.says(self.machine.call(router.url), 0, "1")

    def test_a_socket_that_cannot_be_made_is_told(self) -> None:
        told = self.machine.run("timeout", "20", WAMPD, "--listen", f"rs+unix://{self.directory}/wamp.sock")
        self.says(told, 1, "Read-only file system", "as in /run")

    def test_the_library(self) -> None:
        self.quickstart_works(self.machine)

    def test_python(self) -> None:
        script = "import libwamp\nwith libwamp.Router({}) as router: print(router.listen('ws://127.0.0.1:0/ws'))"
        told = self.machine.run("env", f"PYTHONPATH={ROOT}/bindings/python", PYTHON, "-c", script)
        self.says(told, 0, "ws://127.0.0.1:")
