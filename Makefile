# The commands of the house. Recipes run in this folder, so that its path may hold spaces.
CARGO ?= cargo

.PHONY: run test check measure measure-pages

# Starts Coffer, with a database of its own unless DATABASE_URL or DATABASE_HOST names one.
run:
	@[ -n "$$DATABASE_URL$$DATABASE_HOST" ] || grep -Eqs '^DATABASE_(URL|HOST)=.' .env || \
		sh scripts/install-deps.sh run
	$(CARGO) run --release -- serve

# Installs what the tests need where it is missing, and runs all tests.
test:
	@sh scripts/install-deps.sh test
	$(CARGO) test

# Format and lints.
check:
	@sh scripts/install-lints.sh
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings

# Prints claims per second beside pgbench, on a database of its own.
measure:
	@sh scripts/install-deps.sh run
	$(CARGO) bench --bench claims

# Prints how long pages and the proof take on ten million entries, on a database of its own.
measure-pages:
	@sh scripts/install-deps.sh run
	$(CARGO) bench --bench pages
