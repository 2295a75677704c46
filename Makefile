# make demo       builds the library and the C examples, and runs one
# make check      formatting, lints and unit tests, in under two minutes
# make test       what each landing needs; what could not be tested here is listed at its end
# make test-long  matrices, soaks and storms (PARTS names some of them)
# make shake      the tests once more, with system calls delayed at random
# make bench      measures, beside a floor and other clients, for a quarter of an hour (ROUNDS, ONLY); bench-full: everything;
#                 bench-scale: how cost grows; bench-smoke: whether it works; performance: docs/PERFORMANCE.md anew
# make count      counts instructions per message, and compares them with their budget
# make budget     counts them, and writes the budget anew
# make wheel      makes a wheel of the Python binding
# make cross      builds a package for another system (TARGET, see docs/PLATFORMS.md), cross-wheel a wheel of the Python
#                 binding; platforms: tries all of them
# make sizes      builds the library with parts left out, and writes their sizes into docs/PLATFORMS.md (an hour)
# make fuzz       fuzzes the decoders and handshakes (FUZZ_SECONDS for each, FUZZ_TARGETS)
# make audit      asks the advisory database about the dependencies (needs a network)
# make dashboard  puts the page of examples-c/dashboard.c together, with AutobahnJS (npm)
# make programs   builds wampd and wampcat
# make install    installs what make has built (PREFIX, LIBDIR, INCLUDEDIR, DOCDIR, DATADIR, BINDIR, SHAREDIR, UNITDIR,
#                 SYSCONFDIR, DESTDIR); install-strip, uninstall

CARGO  ?= cargo
PYTHON ?= python3
PREFIX ?= /usr/local
CFLAGS ?= -O2 -g

# Rules bear no spaces in names, which the path of this tree may have: so what is built is named from here. Who works
# elsewhere takes ABSOLUTE.
ifneq ($(word 2,$(CARGO_TARGET_DIR)),)
$(error CARGO_TARGET_DIR is "$(CARGO_TARGET_DIR)", and make cannot build in a path with spaces; name another, or none)
endif
TARGET  := $(if $(CARGO_TARGET_DIR),$(abspath $(CARGO_TARGET_DIR)),target)
ABSOLUTE := $(if $(CARGO_TARGET_DIR),$(TARGET),$(CURDIR)/target)
RELEASE := $(TARGET)/release
EXAMPLES_BIN := $(TARGET)/c/examples
SCENARIOS_BIN := $(TARGET)/c/scenarios
COUNTED := $(TARGET)/c/instructions/client
VENV  := $(TARGET)/venv
NODE_MODULES := $(TARGET)/node_modules
SHAKER := $(TARGET)/c/shake.so
BINDING := bindings/python
PYTHON_TOOLS := $(TARGET)/python-tools
NOTICES := $(RELEASE)/THIRD-PARTY.md
CARGO_FUZZ := $(TARGET)/tools/bin/cargo-fuzz
export CARGO_TARGET_DIR := $(ABSOLUTE)

# Cargo.toml is the one place that holds the version.
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)
MAJOR := $(word 1,$(subst ., ,$(VERSION)))
MINOR := $(word 2,$(subst ., ,$(VERSION)))

# While the major version is 0, each minor version has an ABI of its own.
ABI := $(if $(filter 0,$(MAJOR)),$(MAJOR).$(MINOR),$(MAJOR))

# What `rustc --print native-static-libs` names for the static library, less what every C compiler adds by itself: its own
# run-time library (-lgcc_s, of which there is no static form) and -lc.
LIBS_PRIVATE := -lutil -lrt -lpthread -lm -ldl

STRICT := -std=c99 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -pedantic -Werror
LINK := -L$(RELEASE) -lwamp -lpthread -Wl,-rpath,"$(ABSOLUTE)/release"

EXAMPLES  := $(patsubst examples-c/%.c,$(EXAMPLES_BIN)/%,$(wildcard examples-c/*.c))
SCENARIOS := $(patsubst tests/c/%.c,$(SCENARIOS_BIN)/%,$(wildcard tests/c/*.c))

.PHONY: all demo check test test-long shake bench fuzz audit install install-strip uninstall clean
.PHONY: cross cross-wheel platforms sizes
.PHONY: bench-full bench-scale bench-smoke bench-peers performance count budget
.PHONY: lib notices programs pages dashboard examples scenarios counted venv python python-tools python-lints wheel javascript shaker
.DELETE_ON_ERROR:
# Cargo uses all processors by itself; tests/runner runs the parts of the tests side by side.
.NOTPARALLEL:

all: lib notices programs

# The binaries tell nothing of where they were built.
CARGO_DIR := $(or $(CARGO_HOME),$(HOME)/.cargo)
CARGO_DIR := $(if $(word 2,$(CARGO_DIR)),$(CARGO_DIR),$(abspath $(CARGO_DIR)))
# Cargo splits RUSTFLAGS where there are spaces, and this where there is that sign.
SIGN := $(shell printf '\037')
GIVEN := $(subst $() ,$(SIGN),$(strip $(RUSTFLAGS)))
lib programs: export CARGO_ENCODED_RUSTFLAGS := $(if $(GIVEN),$(GIVEN)$(SIGN))--remap-path-prefix=$(CARGO_DIR)=/cargo$(SIGN)--remap-path-prefix=$(CURDIR)=/libwamp
lib programs: export CC_SHELL_ESCAPED_FLAGS := 1
lib programs: export CFLAGS := $(CFLAGS) "-ffile-prefix-map=$(CARGO_DIR)=/cargo" "-ffile-prefix-map=$(ABSOLUTE)=/libwamp/target"

# Both in one compilation, which optimizes once; with `rlib` among them, as in Cargo.toml, there would be no link-time
# optimization.
lib:
	$(CARGO) rustc --package libwamp --release --lib --crate-type cdylib,staticlib
	ln -sf libwamp.so $(RELEASE)/libwamp.so.$(ABI)

# wampd and wampcat, in a place of their own: they have a library without link-time optimization, of the same name. PROGRAMS
# names another directory where they are already, built in whatever way.
BUILT_PROGRAMS := $(TARGET)/programs/release
PROGRAMS ?= $(BUILT_PROGRAMS)
PROGRAM_NAMES := wampd wampcat

programs:
ifeq ($(abspath $(PROGRAMS)),$(abspath $(BUILT_PROGRAMS)))
	$(CARGO) build --package libwamp-tools --release --bins --target-dir $(TARGET)/programs
endif
	@$(MAKE) --no-print-directory pages

# The manual pages and completions, which the programs make themselves.
pages:
	@mkdir -p $(PROGRAMS)/pages
	@for name in $(PROGRAM_NAMES); do for page in man bash zsh fish; do \
		$(PROGRAMS)/$$name $$(test $$name = wampd && echo --)page $$page > $(PROGRAMS)/pages/$$name.$$page || exit 1; \
		done; done

# The licences of what is linked into the library and the programs.
notices: $(NOTICES)

$(NOTICES): packaging/notices.py Cargo.lock
	@mkdir -p $(@D)
	$(PYTHON) packaging/notices.py > $@

examples: $(EXAMPLES)

scenarios: $(SCENARIOS)

$(EXAMPLES_BIN)/%: examples-c/%.c include/wamp.h | lib
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) -Iinclude $< $(LINK) -o $@

$(SCENARIOS_BIN)/%: tests/c/%.c tests/c/scenario.h include/wamp.h | lib
	@mkdir -p $(@D)
	$(CC) $(STRICT) $(CFLAGS) -Iinclude $< $(LINK) -o $@

counted: $(COUNTED)

$(COUNTED): tests/instructions/client.c tests/instructions/floor.h include/wamp.h | lib
	@mkdir -p $(@D)
	$(CC) $(STRICT) -O2 -g -Iinclude $< $(LINK) -o $@

count: counted
	$(PYTHON) tests/instructions/guard.py

budget: counted
	$(PYTHON) tests/instructions/guard.py --update

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

# The extension module of the Python binding, in its place in the source tree, with a link to the library beside it.
python: $(BINDING)/libwamp/_wamp.abi3.so

$(BINDING)/libwamp/_wamp.abi3.so: $(BINDING)/setup.py $(BINDING)/build_wamp.py include/wamp.h $(VENV)/ready | lib
	cd $(BINDING) && LIBWAMP_LIBRARY="$(ABSOLUTE)/release/libwamp.so" "$(ABSOLUTE)/venv/bin/python" setup.py --quiet \
		build_ext --force --build-temp "$(ABSOLUTE)/python" --inplace
	touch $@

# What looks at the binding's code, apart from the tests' packages, so that `make check` is quick everywhere.
python-tools: $(PYTHON_TOOLS)/ready

$(PYTHON_TOOLS)/ready: $(BINDING)/tools/requirements.txt
	rm -rf $(PYTHON_TOOLS)
	$(PYTHON) -m venv $(PYTHON_TOOLS)
	$(PYTHON_TOOLS)/bin/python -m pip install --disable-pip-version-check --no-deps --progress-bar off -r $<
	touch $@

python-lints: python-tools
	$(PYTHON_TOOLS)/bin/python $(BINDING)/tools/lints.py "$(ABSOLUTE)/python"

# A wheel with the library in it, tagged for the oldest systems that it runs on.
wheel: lib notices venv
	LIBWAMP_LIBRARY="$(ABSOLUTE)/release/libwamp.so" $(VENV)/bin/python $(BINDING)/tools/wheel.py "$(ABSOLUTE)/wheels"

# Without npm the tests that need its packages are skipped, and say so.
javascript: $(if $(shell command -v npm),$(NODE_MODULES)/ready)

# The page of examples-c/dashboard.c, with AutobahnJS and its licence beside it.
dashboard: javascript
	@mkdir -p $(TARGET)/dashboard
	cp examples-c/dashboard.html $(TARGET)/dashboard/index.html
	cp $(NODE_MODULES)/autobahn-browser/autobahn.min.js $(TARGET)/dashboard
	cp $(NODE_MODULES)/autobahn-browser/LICENSE $(TARGET)/dashboard/autobahn-LICENSE

# The packages are JavaScript; what could be compiled for them is not needed. (`npm ci` would refuse the lock where a
# registry lacks one of the optional packages of another platform.)
$(NODE_MODULES)/ready: tests/interop/package.json tests/interop/package-lock.json
	@mkdir -p $(@D)
	cp $^ $(TARGET)
	npm install --prefix "$(ABSOLUTE)" --no-save --ignore-scripts --no-audit --no-fund --loglevel error
	touch $@

# In a root of Debian of its own, so that the compilers are the same everywhere. TARGET is another one here.
CROSS_TARGET := $(if $(filter command,$(firstword $(origin TARGET))),$(TARGET))

cross:
	$(PYTHON) packaging/cross.py $(or $(CROSS_TARGET),--list)

cross-wheel:
	$(PYTHON) packaging/wheels.py $(or $(CROSS_TARGET),all)

platforms:
	$(PYTHON) tests/platforms/table.py all

sizes:
	$(PYTHON) packaging/sizes.py

# ROUNDS says how often each row is measured, ONLY keeps the rows whose names contain it, such as call/ws/json/16.
MEASURE := $(PYTHON) benches/run.py
MEASURED := $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(ONLY),--only $(ONLY))

bench: bench-peers
	$(MEASURE) bench $(MEASURED)

bench-full: bench-peers
	$(MEASURE) full $(MEASURED)

bench-scale: lib
	$(MEASURE) scale $(MEASURED)

bench-smoke: lib
	$(MEASURE) smoke $(MEASURED)

# What of the peers comes from registries. The benchmark says which it does without.
bench-peers: lib
	-$(MAKE) --no-print-directory venv
	-$(MAKE) --no-print-directory javascript

performance: bench bench-scale
	$(PYTHON) benches/report.py

# As the build of libFuzzer has it; make's own default is g++.
ifeq ($(origin CXX),default)
CXX := c++
endif
FUZZ_SECONDS ?= 600
FUZZ_TARGETS ?= $(notdir $(basename $(wildcard fuzz/fuzz_targets/*.rs)))
fuzz: export CARGO_FUZZ := $(ABSOLUTE)/tools/bin/cargo-fuzz
fuzz: export FUZZ_SECONDS := $(FUZZ_SECONDS)
fuzz: $(if $(shell command -v $(CXX)),$(CARGO_FUZZ))
ifeq ($(shell command -v $(CXX)),)
	@echo "make fuzz: libFuzzer needs a C++ compiler, and there is no '$(CXX)'; install one, or name it with CXX=" >&2
	@exit 1
else
	sh fuzz/run.sh $(FUZZ_TARGETS)
endif

$(CARGO_FUZZ):
	$(CARGO) install --quiet --locked --root "$(ABSOLUTE)/tools" cargo-fuzz

CARGO_AUDIT := $(TARGET)/tools/bin/cargo-audit
audit: $(CARGO_AUDIT)
	$(CARGO_AUDIT) audit

$(CARGO_AUDIT):
	$(CARGO) install --quiet --locked --root "$(ABSOLUTE)/tools" cargo-audit

LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DOCDIR ?= $(PREFIX)/share/doc/libwamp
DATADIR ?= $(PREFIX)/share/libwamp
BINDIR ?= $(PREFIX)/bin
SHAREDIR ?= $(PREFIX)/share
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
OBJCOPY ?= objcopy
STRIP ?= strip
SHARED := $(DESTDIR)$(LIBDIR)/libwamp.so.$(VERSION)
DEBUG_INFO := $(DESTDIR)$(LIBDIR)/.debug/libwamp.so.$(VERSION).debug
CMAKE := $(DESTDIR)$(LIBDIR)/cmake/wamp
BASH_COMPLETIONS := $(DESTDIR)$(SHAREDIR)/bash-completion/completions
ZSH_COMPLETIONS := $(DESTDIR)$(SHAREDIR)/zsh/site-functions
FISH_COMPLETIONS := $(DESTDIR)$(SHAREDIR)/fish/vendor_completions.d
MANUALS := $(DESTDIR)$(SHAREDIR)/man/man1
FILL := sed -e 's|@PREFIX@|$(PREFIX)|g' -e 's|@BINDIR@|$(BINDIR)|g' -e 's|@SYSCONFDIR@|$(SYSCONFDIR)|g' -e 's|@LIBDIR@|$(LIBDIR)|g' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|g' \
	-e 's|@VERSION@|$(VERSION)|g' -e 's|@MAJOR@|$(MAJOR)|g' -e 's|@MINOR@|$(MINOR)|g' -e 's|@ABI@|$(ABI)|g' \
	-e 's|@LIBS_PRIVATE@|$(LIBS_PRIVATE)|g' \
	-e 's|@INCLUDE_FROM_LIB@|$(shell realpath -m --relative-to="$(LIBDIR)" "$(INCLUDEDIR)")|g'

# Builds nothing, so that it can be run by another user, without Rust.
install:
	@test -f $(RELEASE)/libwamp.so -a -f $(RELEASE)/libwamp.a -a -f $(NOTICES) || \
		{ echo "make install: there is no library to install; run 'make' first" >&2; exit 1; }
	@test -f $(PROGRAMS)/pages/wampcat.fish || \
		{ echo "make install: there are no programs to install; run 'make' first" >&2; exit 1; }
	install -d "$(DESTDIR)$(INCLUDEDIR)" "$(DESTDIR)$(LIBDIR)/.debug" "$(DESTDIR)$(LIBDIR)/pkgconfig" "$(CMAKE)"
	install -d "$(DESTDIR)$(DOCDIR)/examples" "$(DESTDIR)$(DOCDIR)/performance" "$(DESTDIR)$(DATADIR)"
	install -m 644 include/wamp.h "$(DESTDIR)$(INCLUDEDIR)/wamp.h"
	install -m 644 include/wamp.json "$(DESTDIR)$(DATADIR)/wamp.json"
	install -m 755 $(RELEASE)/libwamp.so "$(SHARED)"
	$(OBJCOPY) --only-keep-debug "$(SHARED)" "$(DEBUG_INFO)"
	chmod 644 "$(DEBUG_INFO)"
	$(STRIP) --strip-debug "$(SHARED)"
	shared=$$(realpath "$(SHARED)") && cd "$(DESTDIR)$(LIBDIR)/.debug" && \
		$(OBJCOPY) --add-gnu-debuglink=libwamp.so.$(VERSION).debug "$$shared"
	ln -sf libwamp.so.$(VERSION) "$(DESTDIR)$(LIBDIR)/libwamp.so.$(ABI)"
	ln -sf libwamp.so.$(ABI) "$(DESTDIR)$(LIBDIR)/libwamp.so"
	install -m 644 $(RELEASE)/libwamp.a "$(DESTDIR)$(LIBDIR)/libwamp.a"
	$(FILL) packaging/wamp.pc.in > "$(DESTDIR)$(LIBDIR)/pkgconfig/wamp.pc"
	$(FILL) packaging/wamp-config.cmake.in > "$(CMAKE)/wamp-config.cmake"
	$(FILL) packaging/wamp-config-version.cmake.in > "$(CMAKE)/wamp-config-version.cmake"
	install -m 644 README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE $(NOTICES) docs/*.md "$(DESTDIR)$(DOCDIR)"
	install -m 644 docs/performance/*.svg "$(DESTDIR)$(DOCDIR)/performance"
	install -m 644 examples-c/*.c examples-c/dashboard.html packaging/wampd.json "$(DESTDIR)$(DOCDIR)/examples"
	install -d "$(DESTDIR)$(BINDIR)" "$(MANUALS)" "$(BASH_COMPLETIONS)" "$(ZSH_COMPLETIONS)" "$(FISH_COMPLETIONS)"
	install -d "$(DESTDIR)$(UNITDIR)"
	for name in $(PROGRAM_NAMES); do \
		install -m 755 $(PROGRAMS)/$$name "$(DESTDIR)$(BINDIR)/$$name" && \
		install -m 644 $(PROGRAMS)/pages/$$name.man "$(MANUALS)/$$name.1" && \
		install -m 644 $(PROGRAMS)/pages/$$name.bash "$(BASH_COMPLETIONS)/$$name" && \
		install -m 644 $(PROGRAMS)/pages/$$name.zsh "$(ZSH_COMPLETIONS)/_$$name" && \
		install -m 644 $(PROGRAMS)/pages/$$name.fish "$(FISH_COMPLETIONS)/$$name.fish" || exit 1; done
	for unit in wampd.service wampd.socket; do \
		$(FILL) packaging/$$unit.in > "$(DESTDIR)$(UNITDIR)/$$unit" || exit 1; done

# Without what debuggers read.
install-strip: install
	$(STRIP) --strip-unneeded "$(SHARED)"
	$(STRIP) --strip-debug "$(DESTDIR)$(LIBDIR)/libwamp.a"
	for name in $(PROGRAM_NAMES); do $(STRIP) --strip-unneeded "$(DESTDIR)$(BINDIR)/$$name" || exit 1; done
	rm -f "$(DEBUG_INFO)"
	-rmdir "$(DESTDIR)$(LIBDIR)/.debug"

uninstall:
	rm -f "$(DESTDIR)$(INCLUDEDIR)/wamp.h" "$(SHARED)" "$(DEBUG_INFO)" "$(DESTDIR)$(LIBDIR)/libwamp.a"
	rm -f "$(DESTDIR)$(LIBDIR)/libwamp.so" "$(DESTDIR)$(LIBDIR)/libwamp.so.$(ABI)"
	rm -f "$(DESTDIR)$(LIBDIR)/pkgconfig/wamp.pc"
	rm -rf "$(CMAKE)" "$(DESTDIR)$(DOCDIR)" "$(DESTDIR)$(DATADIR)"
	for name in $(PROGRAM_NAMES); do rm -f "$(DESTDIR)$(BINDIR)/$$name" "$(MANUALS)/$$name.1" \
		"$(BASH_COMPLETIONS)/$$name" "$(ZSH_COMPLETIONS)/_$$name" "$(FISH_COMPLETIONS)/$$name.fish"; done
	rm -f "$(DESTDIR)$(UNITDIR)/wampd.service" "$(DESTDIR)$(UNITDIR)/wampd.socket"
	-rmdir "$(DESTDIR)$(LIBDIR)/.debug" 2>/dev/null

clean:
	$(CARGO) clean
