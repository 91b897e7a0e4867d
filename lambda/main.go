// Tourniquet's Lambda function contains a compromised EC2 instance on a GuardDuty
// finding. Package containment is the place to start reading.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"tourniquet/lambda/config"
	"tourniquet/lambda/containment"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/ledger"
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
	log := lambdacontext.NewLogger()
	handler, err := newHandler(context.Background(), log)
	if err != nil {
		log.Error("start-up failed", "err", err)
		os.Exit(1)
	}
	lambda.Start(handler)
}

// newHandler is the handler that Lambda's handler setting names.
func newHandler(ctx context.Context, log *slog.Logger) (any, error) {
	switch name := os.Getenv("_HANDLER"); name {
	case "contain":
		h, err := newContainer(ctx, log)
		if err != nil {
			return nil, err
		}
		return h.Contain, nil
	case "release":
		return notYet, nil
	default:
		return nil, fmt.Errorf("_HANDLER: %q is no handler; want contain or release", name)
	}
}

// notYet answers for the release function until releasing is there.
func notYet(context.Context, json.RawMessage) (*containment.Answer, error) {
	return nil, &guardduty.EventError{Field: "command", Err: errors.New("this version can't release yet; nothing was changed")}
}

// newContainer builds the handler that contains, from the environment.
func newContainer(ctx context.Context, log *slog.Logger) (*Handler, error) {
	cfg, err := config.Load()
	if err != nil {
		return nil, err
	}
	calls := &countingClient{next: vpc.HTTPClient()}
	aws, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithAppID("tourniquet"), awsconfig.WithHTTPClient(calls))
	if err != nil {
		return nil, fmt.Errorf("loading the AWS configuration: %w", err)
	}
	h := &Handler{
		Responder: &containment.Responder{
			EC2:        vpc.New(aws),
			Ledger:     &ledger.Table{Client: dynamodb.NewFromConfig(aws), Name: cfg.Table},
			Policy:     cfg.Policy(),
			Rules:      cfg.Rules(),
			Log:        log,
			Now:        time.Now,
			LedgerWait: time.Duration(cfg.LedgerWait),
		},
		Mode:  cfg.Mode,
		Calls: calls.count,
		Log:   log,
	}
	if cfg.TopicARN != "" {
		h.Notifier = &Notifier{Client: sns.NewFromConfig(aws), Topic: string(cfg.TopicARN)}
	}
	return h, nil
}
