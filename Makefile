# make demo      builds the library and the C examples, and runs one
# make test      checks everything; what could not be checked here is listed at its end
# make bench     measures
# make fuzz      fuzzes the decoders and handshakes (FUZZ_SECONDS for each, FUZZ_TARGETS)
# make install   installs header, libraries, pkg-config and CMake packages (PREFIX, DESTDIR)

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
SKIPS := $(TARGET)/test-skips.txt
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

.PHONY: all demo test bench fuzz install clean
.PHONY: lib staticlib examples scenarios begin lint unit python interop javascript
.DELETE_ON_ERROR:
# Cargo and pytest use all processors by themselves, and the steps of `test` stand in their order.
.NOTPARALLEL:

all: lib staticlib

# One crate type at a time: with `rlib` among them, as in Cargo.toml, there would be no link-time optimisation.
lib:
	$(CARGO) rustc --release --lib --crate-type cdylib
	ln -sf libwamp.so $(RELEASE)/libwamp.so.$(MAJOR)

staticlib:
	$(CARGO) rustc --release --lib --crate-type staticlib

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

test: begin lint lib staticlib examples scenarios $(VENV)/ready javascript unit python interop
	@echo "All tests passed: lints, documentation, Rust, C, Python, and against Crossbar.io."
	@if [ -s $(SKIPS) ]; then echo "Not everything could be tested here:"; cat $(SKIPS); fi

begin:
	@mkdir -p $(TARGET)
	@rm -f $(SKIPS)

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --no-deps

unit: export WAMP_LIB_DIR := $(RELEASE)
unit: export WAMP_TEST_PYTHON := $(VENV)/bin/python
unit:
	$(CARGO) test --no-fail-fast

python interop: export LIBWAMP_PATH := $(RELEASE)/libwamp.so.$(MAJOR)
python:
	$(VENV)/bin/python -m pytest -q --junitxml=$(TARGET)/pytest-python.xml bindings/python/tests
	$(VENV)/bin/python tests/skips.py $(TARGET)/pytest-python.xml $(SKIPS)

interop: export WAMP_C_BIN := $(SCENARIOS_BIN)
interop: export WAMP_EXAMPLES_BIN := $(EXAMPLES_BIN)
interop: export WAMP_NODE_MODULES := $(NODE_MODULES)
interop:
	$(VENV)/bin/python -m pytest -q --junitxml=$(TARGET)/pytest-interop.xml tests/interop
	$(VENV)/bin/python tests/skips.py $(TARGET)/pytest-interop.xml $(SKIPS)

# Made anew when the list changes, so that nothing old stays in it.
$(VENV)/ready: tests/interop/requirements.txt
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

# Without npm the tests that need its packages are skipped, and say so.
javascript: $(if $(shell command -v npm),$(NODE_MODULES)/ready)

# The packages are JavaScript; what could be compiled for them is not needed.
$(NODE_MODULES)/ready: tests/interop/package.json
	@mkdir -p $(@D)
	cp $< $(TARGET)/package.json
	npm install --prefix $(TARGET) --ignore-scripts --no-audit --no-fund --no-package-lock --loglevel error
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
