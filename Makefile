# Everything that CI runs, by name. Go alone suffices for test and drill.
GOLANGCI_VERSION := v2.15.0
TOOLS := $(CURDIR)/.tools
BINARY := bootstrap

.PHONY: build zip test race lint fuzz drill bench emulators deploy-tools integration ci

build: bootstrap ## the Lambda binary for this machine

bootstrap: FORCE
	CGO_ENABLED=0 go build -tags lambda.norpc -trimpath -ldflags "-s -w" -o $(BINARY) ./lambda

ARCHITECTURE := arm64
zip: ## what the stack deploys, the same bytes for the same source
	go run ./infra/bundle/zip $(ARCHITECTURE) > tourniquet-$(ARCHITECTURE).zip
	sha256sum tourniquet-$(ARCHITECTURE).zip

test:
	go test ./...

# Not ./infra: the CDK's bindings take minutes to compile this way, and it has
# nothing that runs side by side.
race:
	go test -race -short -shuffle=on ./lambda/...

lint: $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)
	go vet ./... && go vet -tags integration ./...
	$< run

$(TOOLS)/golangci-lint-$(GOLANGCI_VERSION):
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv $(TOOLS)/golangci-lint $@

FUZZTIME := 20s
fuzz:
	go test ./lambda/guardduty -run '^$$' -fuzz FuzzParseEvent -fuzzminimizetime 20x -fuzztime $(FUZZTIME)
	go test ./lambda/simvpc/world -run '^$$' -fuzz FuzzParseWorld -fuzzminimizetime 20x -fuzztime $(FUZZTIME)

drill:
	go run ./lambda/tourniquet drill

bench: emulators
	go test -tags integration -p 1 ./lambda/... -run '^$$' -bench . -benchmem

emulators: ## MiniStack and moto, in a Python virtual environment
	.ci/emulators

deploy-tools: infra/_tools/node_modules/.package-lock.json ## the CDK's command line, and a simulator of IAM

infra/_tools/node_modules/.package-lock.json: infra/_tools/package-lock.json
	npm ci --no-audit --no-fund --prefix infra/_tools
	touch $@

integration: emulators deploy-tools
	go test -tags integration -count=1 -p 1 ./infra/... ./lambda/emulator ./lambda ./lambda/ledger ./lambda/tourniquet
	go test -tags integration -count=1 ./lambda/containment -run 'OnMiniStack|BurstOfAThousand'

ci:
	.ci/run

FORCE:
