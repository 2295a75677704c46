#!/bin/sh
# Builds the benchmark against the release library and runs it; arguments go to it (see the top of bench.c).
# Environment: CC, CFLAGS, BENCH_SECONDS, and WAMP_LIB for another directory with libwamp.so in it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
lib=${WAMP_LIB:-$root/target/release}
cc=${CC:-cc}
out=$root/target/bench

if ! [ -e "$lib/libwamp.so" ]; then
  echo "no $lib/libwamp.so: run make lib first" >&2
  exit 1
fi
lib=$(cd "$lib" && pwd)
mkdir -p "$out"
# The loader wants the library by its SONAME.
for name in "$lib"/libwamp.so.*; do ln -sf "$name" "$out/"; done
"$cc" -std=c99 -O2 -Wall -Wextra -Wpedantic ${CFLAGS:-} -I"$root/include" "$here/bench.c" -o "$out/bench" \
  -L"$lib" -lwamp -Wl,-rpath,"$out" -pthread

echo "compiler: $("$cc" --version | head -n 1)"
if command -v rustc >/dev/null 2>&1; then
  echo "rustc: $(rustc --version)"
fi
echo "commit: $(git -C "$root" describe --always --dirty 2>/dev/null || echo unknown)"
exec "$out/bench" "$@"
