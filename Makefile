# The commands of the house. Recipes run in this folder, so that its path may hold spaces.
CARGO ?= cargo

.PHONY: run test check screenshots bench bench-years bench-soak

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

# Lets Chromium take a picture of every page in four variants: target/screenshots/index.html.
screenshots:
	@sh scripts/install-deps.sh test
	$(CARGO) test --test screenshots

# Measures Coffer beside pgbench and actix, on a database of its own: docs/benchmarks.md. Some eight minutes.
bench:
	@sh scripts/install-deps.sh run
	$(CARGO) bench --bench bench

# Pages, the proof and claims on ten million entries. A quarter of an hour and 10 GB of disk.
bench-years:
	@sh scripts/install-deps.sh run
	$(CARGO) bench --bench bench -- --years

# Ten minutes of claims, spends and transfers.
bench-soak:
	@sh scripts/install-deps.sh run
	$(CARGO) bench --bench bench -- --soak
