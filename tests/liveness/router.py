"""An embedded router in a process of its own: router.py CONFIG URL. Prints the URL that it listens at; lives until its
standard input ends."""

import json
import sys

import libwamp

with libwamp.Router(json.loads(sys.argv[1])) as router:
    print(router.listen(sys.argv[2]), flush=True)
    sys.stdin.read()
