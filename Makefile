# make demo       builds the library and the C examples, and runs one
# make check      formatting, lints and unit tests, in under two minutes
# make test       what each landing needs; what could not be tested here is listed at its end
# make test-long  matrices, soaks and storms (PARTS names some of them)
# make shake      the tests once more, with system calls delayed at random
# make bench      measures
# make fuzz       fuzzes the decoders and handshakes (FUZZ_SECONDS for each, FUZZ_TARGETS)
# make install    installs header, libraries, pkg-config and CMake packages (PREFIX, DESTDIR)

CARGO  ?= cargo
PYTHON ?= python3
PREFIX ?= /usr/local
CFLAGS ?= -O2 -g

TARGET  := $(abspath $(or $(CARGO_TARGET_DIR),target))
RELEASE := $(TARGET)/release
EXAMPLES_BIN := $(TARGET)/c/examples
SCENARIOS_BIN := $(TARGET)/c/scenarios
VENV  := $(TARGET)/venv
NODE_MODULES := $(TARGET)/node_modules
SHAKER := $(TARGET)/c/shake.so
CARGO_FUZZ := $(TARGET)/tools/bin/cargo-fuzz
export CARGO_TARGET_DIR := $(TARGET)

# Cargo.toml is the one place that holds the version.
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
MAJOR := $(word 1,$(subst ., ,$(VERSION)))
MINOR := $(word 2,$(subst ., ,$(VERSION)))

# What `rustc --print native-static-libs` names for the static library.
LIBS_PRIVATE := -lgcc_s -lutil -lrt -lpthread -lm -ldl -lc

STRICT := -std=c99 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -pedantic -Werror
LINK := -L$(RELEASE) -lwamp -lpthread -Wl,-rpath,$(RELEASE)

EXAMPLES  := $(patsubst examples-c/%.c,$(EXAMPLES_BIN)/%,$(wildcard examples-c/*.c))
SCENARIOS := $(patsubst tests/c/%.c,$(SCENARIOS_BIN)/%,$(wildcard tests/c/*.c))

.PHONY: all demo check test test-long shake bench fuzz install clean
.PHONY: lib examples scenarios venv javascript shaker
.DELETE_ON_ERROR:
# Cargo uses all processors by itself; tests/runner runs the parts of the tests side by side.
.NOTPARALLEL:

all: lib

# Both in one compilation, which optimizes once; with `rlib` among them, as in Cargo.toml, there would be no link-time
# optimization.
lib:
	$(CARGO) rustc --release --lib --crate-type cdylib,staticlib
	ln -sf libwamp.so $(RELEASE)/libwamp.so.$(MAJOR)

examples: $(EXAMPLES)

scenarios: $(SCENARIOS)

$(EXAMPLES_BIN)/%: examples-c/%.c include/wamp.h | lib
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) -Iinclude $< $(LINK) -o $@

$(SCENARIOS_BIN)/%: tests/c/%.c tests/c/scenario.h include/wamp.h | lib
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) -Iinclude $< $(LINK) -o $@

demo: lib examples
	$(EXAMPLES_BIN)/quickstart

# RETRIES=0 has no failed test run again, JOBS says how many processors to keep busy; see tests/runner.
RUN_TESTS := $(PYTHON) tests/runner
PARTS ?= long shake

check:
	$(RUN_TESTS) check

test:
	$(RUN_TESTS) test

test-long:
	$(RUN_TESTS) $(PARTS)

shake:
	$(RUN_TESTS) shake

shaker: $(SHAKER)

$(SHAKER): tests/shake/shake.c
	@mkdir -p $(@D)
	$(CC) -O2 -Wall -Wextra -Werror -shared -fPIC $< -o $@ -ldl

venv: $(VENV)/ready

# Made anew when the list changes, so that nothing old stays in it. The list is whole: nothing is left to be resolved.
$(VENV)/ready: tests/interop/requirements.txt
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --disable-pip-version-check --no-deps --progress-bar off -r $<
	touch $@

# Without npm the tests that need its packages are skipped, and say so.
javascript: $(if $(shell command -v npm),$(NODE_MODULES)/ready)

# The packages are JavaScript; what could be compiled for them is not needed.
$(NODE_MODULES)/ready: tests/interop/package.json tests/interop/package-lock.json
	@mkdir -p $(@D)
	cp $^ $(TARGET)
	npm ci --prefix $(TARGET) --ignore-scripts --no-audit --no-fund --loglevel error
	touch $@

bench: lib
	WAMP_LIB=$(RELEASE) sh benches/run.sh

# As the build of libFuzzer has it; make's own default is g++.
ifeq ($(origin CXX),default)
CXX := c++
endif
FUZZ_SECONDS ?= 600
FUZZ_TARGETS ?= $(notdir $(basename $(wildcard fuzz/fuzz_targets/*.rs)))
fuzz: export CARGO_FUZZ := $(CARGO_FUZZ)
fuzz: export FUZZ_SECONDS := $(FUZZ_SECONDS)
fuzz: $(if $(shell command -v $(CXX)),$(CARGO_FUZZ))
ifeq ($(shell command -v $(CXX)),)
	@echo "make fuzz: libFuzzer needs a C++ compiler, and there is no '$(CXX)'; install one, or name it with CXX=" >&2
	@exit 1
else
	sh fuzz/run.sh $(FUZZ_TARGETS)
endif

$(CARGO_FUZZ):
	$(CARGO) install --quiet --locked --root $(TARGET)/tools cargo-fuzz

FILL := sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@VERSION@|$(VERSION)|g' -e 's|@MAJOR@|$(MAJOR)|g' \
	-e 's|@MINOR@|$(MINOR)|g' -e 's|@LIBS_PRIVATE@|$(LIBS_PRIVATE)|g'
TO := $(DESTDIR)$(PREFIX)

install: lib staticlib
	install -d "$(TO)/include" "$(TO)/lib/pkgconfig" "$(TO)/lib/cmake/Wamp"
	install -m 644 include/wamp.h "$(TO)/include/wamp.h"
	install -m 755 $(RELEASE)/libwamp.so "$(TO)/lib/libwamp.so.$(VERSION)"
	ln -sf libwamp.so.$(VERSION) "$(TO)/lib/libwamp.so.$(MAJOR)"
	ln -sf libwamp.so.$(MAJOR) "$(TO)/lib/libwamp.so"
	install -m 644 $(RELEASE)/libwamp.a "$(TO)/lib/libwamp.a"
	$(FILL) packaging/wamp.pc.in > "$(TO)/lib/pkgconfig/wamp.pc"
	$(FILL) packaging/WampConfig.cmake.in > "$(TO)/lib/cmake/Wamp/WampConfig.cmake"
	$(FILL) packaging/WampConfigVersion.cmake.in > "$(TO)/lib/cmake/Wamp/WampConfigVersion.cmake"

clean:
	$(CARGO) clean
