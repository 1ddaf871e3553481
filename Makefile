# What a person types. Each target installs what it needs first (scripts/setup; a no-op when everything is there).
#
#   make run        build everything and start a server; it prints its address and the first log-in
#   make demo       the same, with a class taught by a synthetic teacher and an exam site of twelve cameras, to look around
#   make test       formatting, lints, unit tests, the web app, real browsers and clients, a short fuzz run
#   make accept     the long measured runs behind the current promises; LINE=class runs one of them
#   make bench      cost per forwarded packet and memory per subscriber, beside the floor
#   make install    a release build with systemd unit and example configuration; PREFIX and DESTDIR as usual
#   make fmt        format everything
#   make clean-data forget the data of `make run` and `make demo` (accounts, classes, recordings)

PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR ?= $(PREFIX)/lib/systemd/system
DATA ?= data
ARGS ?=

CARGO ?= cargo
MAKEFLAGS += --no-print-directory

.PHONY: help run demo test accept bench install fmt clean-data web setup-run setup-demo setup-test

help:
	@sed -n 's/^#   make/  make/p' Makefile

setup-run:
	@scripts/setup run

setup-demo:
	@scripts/setup demo

setup-test:
	@scripts/setup test

# The web app is compiled into the binary, so it comes first. Built again only when something of it changed.
web: setup-run web/dist/index.html

web/dist/index.html: web/package.json web/package-lock.json $(shell find web/src web/public web/*.html web/*.ts -type f 2>/dev/null)
	@cd web && npm run --silent build
	@touch $@

run: web
	@$(CARGO) build --quiet -p lectern-server
	@exec target/debug/lectern serve --data $(DATA) $(ARGS)

demo: setup-demo web
	@$(CARGO) build --quiet -p lectern-server -p lectern-loadtest
	@exec node scripts/demo.mjs --data $(DATA)/demo $(ARGS)

test: setup-test
	@node scripts/test.mjs $(ARGS)

accept: setup-test web
	@$(CARGO) build --quiet -p lectern-server -p lectern-loadtest -p lectern-netsim
	@node scripts/accept.mjs $(LINE)

bench: web
	@$(CARGO) build --quiet --release -p lectern-server -p lectern-loadtest
	@scripts/bench $(ARGS)

install: web
	$(CARGO) build --release -p lectern-server
	install -D -m 755 target/release/lectern $(DESTDIR)$(PREFIX)/bin/lectern
	install -d $(DESTDIR)$(UNITDIR)
	sed -e 's|@BINDIR@|$(PREFIX)/bin|' -e 's|@SYSCONFDIR@|$(SYSCONFDIR)|' packaging/lectern.service > $(DESTDIR)$(UNITDIR)/lectern.service
	install -D -m 644 packaging/lectern.example.toml $(DESTDIR)$(PREFIX)/share/lectern/lectern.example.toml
	test -e $(DESTDIR)$(SYSCONFDIR)/lectern/lectern.toml || \
	    install -D -m 644 packaging/lectern.example.toml $(DESTDIR)$(SYSCONFDIR)/lectern/lectern.toml

fmt:
	$(CARGO) fmt --all

clean-data:
	rm -rf $(DATA)
