# a3: every target shares one target folder outside the checkout, since the first build of the
# dependencies takes about 10 minutes and a fresh clone would pay it again.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/a3-target

.PHONY: demo test lint bench fuzz sandbox-up sandbox-down setup generate

setup: ## installs what is missing on a Debian machine
	@scripts/setup

demo: setup ## the seed's assignment, end to end, on the sandbox cloud
	@scripts/demo

test: setup ## unit, golden and sandbox tests; prints the counts
	@scripts/test

lint: setup ## format, clippy, cargo-deny
	@scripts/lint

bench: setup ## latency, throughput and memory, as ratios within one run
	@scripts/bench

fuzz: setup ## looks for texts that a parser chokes on, SECONDS_EACH for each (default 600)
	@scripts/fuzz $(or $(SECONDS_EACH),600)

generate: ## writes the generated files: CLI reference, table of keys, JSON Schemas
	A3_GENERATE=1 cargo test --locked --test generated --test schemas
	A3_UPDATE_SCHEMA=1 cargo test --locked --test spec the_checked_in_schema_is_current

sandbox-up: setup
	@sandbox/up

sandbox-down:
	@sandbox/down
