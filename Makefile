# Everything that CI runs, by name. Go alone suffices for test and drill.
GOLANGCI_VERSION := v2.15.0
TOOLS := $(CURDIR)/.tools
BINARY := bootstrap

.PHONY: build test race lint fuzz drill bench emulators integration ci

build: bootstrap ## the Lambda binary for this machine

bootstrap: FORCE
	CGO_ENABLED=0 go build -tags lambda.norpc -trimpath -ldflags "-s -w" -o $(BINARY) ./lambda

test:
	go test ./...

race:
	go test -race -shuffle=on ./...

lint: $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)
	go vet ./... && go vet -tags integration ./...
	$< run

$(TOOLS)/golangci-lint-$(GOLANGCI_VERSION):
	GOBIN=$(TOOLS) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv $(TOOLS)/golangci-lint $@

FUZZTIME := 20s
fuzz:
	go test ./lambda/guardduty -run '^$$' -fuzz FuzzParseEvent -fuzzminimizetime 20x -fuzztime $(FUZZTIME)
	go test ./lambda/simvpc -run '^$$' -fuzz FuzzParseWorld -fuzzminimizetime 20x -fuzztime $(FUZZTIME)

drill:
	go run ./lambda/tourniquet drill

bench: emulators
	go test -tags integration -p 1 ./lambda/... -run '^$$' -bench . -benchmem

emulators: ## MiniStack and moto, in a Python virtual environment
	.ci/emulators

integration: emulators
	go test -tags integration -count=1 -p 1 ./...

ci:
	.ci/run

FORCE:
