# Everything that CI runs, by name. Go alone suffices for test and drill.
BINARY := bootstrap
ARCHITECTURE := arm64
FUZZTIME := 20s
# Those of infra/bundle, which says why; its test compares.
FLAGS := -trimpath -tags=lambda.norpc,nethttpomithttp2 -gcflags=github.com/aws/aws-sdk-go-v2/service/...=-l -gcflags=tourniquet/...=-l -gcflags=vendor/golang.org/x/crypto/cryptobyte=-l
# Each linter is a module of its own, so that none picks another's requirements, nor the function's.
TOOLS := .ci/tools

.PHONY: help build zip organization release test race lint fuzz drill bench emulators deploy-tools integration ci

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

build: bootstrap ## the Lambda binary for this machine

bootstrap: FORCE
	CGO_ENABLED=0 go build $(FLAGS) -ldflags "-s -w" -o $(BINARY) ./lambda

zip: ## what the stack deploys, the same bytes for the same source (ARCHITECTURE=arm64 or x86_64)
	go run ./infra/bundle/zip $(ARCHITECTURE) > tourniquet-$(ARCHITECTURE).zip
	sha256sum tourniquet-$(ARCHITECTURE).zip

organization: ## what an organization deploys once, in dist/organization; SETTINGS="KEY=VALUE …" beside cdk.json's
	go run ./infra organization dist/organization $(SETTINGS)

release: ## the command for all platforms and the functions' zips, in dist/
	.ci/release

test: ## all tests that need nothing but Go
	go test ./...

# Not ./infra: the CDK's bindings take minutes to compile this way, and it has
# nothing that runs side by side.
race: ## the tests under the race detector, shuffled
	go test -race -short -shuffle=on ./lambda/...

lint: ## go vet, the linters, the workflows, the scripts (needs shellcheck)
	go vet ./... && go vet -tags integration ./...
	go tool -modfile=$(TOOLS)/golangci-lint/go.mod golangci-lint run
	go tool -modfile=$(TOOLS)/actionlint/go.mod actionlint
	shellcheck .ci/emulators .ci/notes .ci/packages .ci/release .ci/run

fuzz: ## the parsers, each for FUZZTIME
	go test ./lambda/guardduty -run '^$$' -fuzz FuzzParseEvent -fuzzminimizetime 20x -fuzztime $(FUZZTIME)
	go test ./lambda/hub -run '^$$' -fuzz FuzzFromEvent -fuzzminimizetime 20x -fuzztime $(FUZZTIME)
	go test ./lambda/simvpc/world -run '^$$' -fuzz FuzzParseWorld -fuzzminimizetime 20x -fuzztime $(FUZZTIME)
	go test ./lambda/packets/fabric -run '^$$' -fuzz FuzzSend -fuzzminimizetime 20x -fuzztime $(FUZZTIME)

drill: ## the built-in rehearsal
	go run ./lambda/tourniquet drill

bench: emulators ## all benchmarks
	go test -tags integration -p 1 ./lambda/... -run '^$$' -bench . -benchmem

emulators: ## MiniStack and moto, in a Python virtual environment
	.ci/emulators

deploy-tools: infra/_tools/node_modules/.package-lock.json ## the CDK's command line, and a simulator of IAM

infra/_tools/node_modules/.package-lock.json: infra/_tools/package-lock.json
	npm ci --no-audit --no-fund --prefix infra/_tools
	touch $@

integration: emulators deploy-tools ## the real binary and the deployed stack, against emulators
	go test -tags integration -count=1 -p 1 ./infra/... ./lambda/emulator ./lambda ./lambda/ledger ./lambda/notice ./lambda/tourniquet
	go test -tags integration -count=1 ./lambda/containment -run 'OnMiniStack|BurstOfAThousand'

ci: ## all of it, from a clean clone
	.ci/run

FORCE:
