#!/bin/sh
# Fuzzes the targets that are named, each for FUZZ_SECONDS, as many at a time as there are processors. `make fuzz` calls it.
#
#   fuzz/run.sh TARGET...
#
# All that it writes is in $CARGO_TARGET_DIR/fuzz: corpus, logs, and in artifacts the inputs that broke something.
set -eu

fuzz=$(cd "$(dirname "$0")" && pwd)
out=${CARGO_TARGET_DIR:-$fuzz/../target}/fuzz
seconds=${FUZZ_SECONDS:-600}

host=$(rustc -vV | sed -n 's/^host: //p')

# One target, which is built already. Its last line tells what came of it.
one() {
    mkdir -p "$out/corpus/$1" "$out/artifacts/$1" "$out/logs"
    log=$out/logs/$1.log
    status=0
    # What cargo-fuzz sets for address sanitizer.
    ASAN_OPTIONS="detect_odr_violation=0:${ASAN_OPTIONS:-}" "$out/$host/release/$1" \
        "$out/corpus/$1" "$fuzz/seeds/$1" -max_total_time="$seconds" -timeout=60 -print_final_stats=1 \
        -artifact_prefix="$out/artifacts/$1/" >"$log" 2>&1 || status=$?
    # A run that ends within the corpus itself has told no coverage yet.
    coverage=$(sed -n 's/^#.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    ran="$1: $(runs "$1") runs, coverage ${coverage:-unknown}"
    if [ "$status" -eq 0 ]; then
        echo "$ran"
    else
        input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
        echo "$ran, FINDING: ${input:-no input}; see $log"
        return 1
    fi
}

runs() {
    number=$(sed -n 's/^stat::number_of_executed_units: *//p' "$out/logs/$1.log" | tail -n 1)
    echo "${number:-0}"
}

if [ "${1:-}" = --built ]; then
    one "$2"
    exit
fi

# The runtime comes with the toolchains of most systems.
sanitizer=none
for runtime in "$(rustc --print sysroot)/lib/rustlib/$host/lib/"*_rt.asan.a; do
    if [ -e "$runtime" ]; then sanitizer=address; fi
done
if [ "$sanitizer" = none ]; then
    echo "This toolchain has no address sanitizer: fuzzing without, so that panics alone are found."
fi

# The versions that are fuzzed are those that the library is tested with.
cp "$fuzz/../Cargo.lock" "$fuzz/Cargo.lock"
# Coverage and sanitizers are unstable features of the compiler, which a stable one has only with this.
for target in "$@"; do
    RUSTC_BOOTSTRAP=1 "${CARGO_FUZZ:-cargo-fuzz}" build --fuzz-dir "$fuzz" --target-dir "$out" \
        --sanitizer "$sanitizer" "$target"
done

jobs=$(getconf _NPROCESSORS_ONLN)
status=0
printf '%s\n' "$@" | xargs -n 1 -P "$jobs" sh "$0" --built || status=1

total=0
for target in "$@"; do
    total=$((total + $(runs "$target")))
done
if [ "$status" -eq 0 ]; then found="nothing found"; else found="SOMETHING FOUND, see above"; fi
echo "all: $# targets, $seconds s each, sanitizer $sanitizer: $total runs, $found"
exit "$status"
