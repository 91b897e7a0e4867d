// Tourniquet's Lambda function contains a compromised EC2 instance on a GuardDuty
// finding. Package containment is the place to start reading.
package main

import (
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"tourniquet/lambda/bus"
	"tourniquet/lambda/config"
	"tourniquet/lambda/containment"
	"tourniquet/lambda/hub"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/topic"
	"tourniquet/lambda/version"
	"tourniquet/lambda/vpc"
)

// gcPercent lets the heap grow to five times what is in use before garbage is
// collected. A containment allocates some megabytes and is over, and with a heap as
// small as this function's the collector would run in the middle of it, on the
// processor that the calls need.
const gcPercent = 400

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	log := lambdacontext.NewLogger().With("version", version.String())
	handler, err := newHandler(log)
	if err != nil {
		log.Error("start-up failed", "err", err)
		os.Exit(1)
	}
	lambda.Start(handler)
}

// newHandler is the handler that Lambda's handler setting names.
func newHandler(log *slog.Logger) (any, error) {
	switch name := os.Getenv("_HANDLER"); name {
	case "contain":
		h, err := newContainer(log)
		if err != nil {
			return nil, err
		}
		return h.Contain, nil
	case "release":
		h, err := newReleaser(log)
		if err != nil {
			return nil, err
		}
		return h.Release, nil
	default:
		return nil, fmt.Errorf("_HANDLER: invalid handler %q; want contain or release", name)
	}
}

// newContainer builds the handler that contains, from the environment.
func newContainer(log *slog.Logger) (*Handler, error) {
	s, err := newSetup(log)
	if err != nil {
		return nil, err
	}
	ec2 := vpc.New(s.aws)
	responder := &containment.Responder{
		EC2: ec2, Fleet: ec2, Ledger: s.table, Policy: s.cfg.Policy(), Rules: s.cfg.Rules(),
		Log: log, Now: time.Now, LedgerWait: s.cfg.LedgerWait,
	}
	addRungs(responder, s.cfg, s.aws)
	h := &Handler{
		Responder: responder,
		Patient:   sync.OnceValue(func() *containment.Responder { return responder.With(vpc.NewPatient(s.aws)) }),
		Book:      s.table, Mode: s.cfg.Mode, Front: s.front,
	}
	readFlows(h, s.cfg, s.aws)
	if s.cfg.SecurityHubNote {
		h.Hub = hub.New(s.aws)
	}
	return h, nil
}

// newReleaser builds the handler that releases, from the environment.
func newReleaser(log *slog.Logger) (*ReleaseHandler, error) {
	s, err := newSetup(log)
	if err != nil {
		return nil, err
	}
	releaser := containment.Releaser{
		EC2: &vpc.Reverter{Client: vpc.New(s.aws)}, Ledger: s.table, Book: s.table, Leases: s.table, Log: log, Now: time.Now,
		DenialTTL: s.cfg.DenialTTL, LedgerWait: s.cfg.LedgerWait,
	}
	addReleaseRungs(&releaser, s.cfg, s.aws)
	patient := sync.OnceValue(func() *containment.Releaser {
		r := releaser
		r.EC2 = &vpc.Reverter{Client: vpc.NewPatient(s.aws)}
		return &r
	})
	return &ReleaseHandler{Releaser: &releaser, Patient: patient, Front: s.front}, nil
}

// A setup is what both functions begin with.
type setup struct {
	cfg   config.Config
	aws   aws.Config
	table *ledger.Table
	front Front
}

func newSetup(log *slog.Logger) (setup, error) {
	cfg, err := config.Load()
	if err != nil {
		return setup{}, err
	}
	calls := &counter{}
	sdk, err := sdkConfig(calls)
	if err != nil {
		return setup{}, err
	}
	s := setup{cfg: cfg, aws: sdk, table: &ledger.Table{Client: dynamodb.NewFromConfig(sdk), Name: cfg.Table}}
	s.front = Front{Calls: calls.count, Log: log, Outbox: &Outbox{Ledger: s.table, Bus: bus.New(sdk), Now: time.Now}}
	if cfg.TopicARN != "" {
		s.front.Outbox.People = topic.New(sdk, cfg.TopicARN)
	}
	return s, nil
}
