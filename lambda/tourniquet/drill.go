package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"tourniquet/lambda/answer"
	"tourniquet/lambda/containment"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/policy"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
	"tourniquet/lambda/vpc"
)

var (
	//go:embed world.txt
	builtinWorld string
	//go:embed finding.json
	builtinFinding []byte
)

var errStillOpen = errors.New("a flow with a peer still passes")

type drillCmd struct {
	Finding string `arg:"" optional:"" help:"File with a GuardDuty finding, in any form that the function accepts. Without it: a built-in one."`
	World   string `help:"File with the world to rehearse in. Without it: one made from the finding's instance details."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

// Run rehearses a containment and prints what became of each flow.
func (c *drillCmd) Run(ctx context.Context, out io.Writer) error {
	finding, w, notes, err := c.read()
	if err != nil {
		return err
	}
	report, err := rehearse(ctx, finding, w)
	if err != nil {
		return err
	}
	report.Differs = notes
	if c.JSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		err = enc.Encode(report)
	} else {
		err = report.print(out)
	}
	if err == nil && report.open() {
		return errStillOpen
	}
	return err
}

// read reads the finding, and the world to rehearse in. The notes say what that
// has otherwise than the finding.
func (c *drillCmd) read() (f guardduty.Finding, w *world.World, notes []string, err error) {
	raw := builtinFinding
	if c.Finding != "" {
		if raw, err = os.ReadFile(c.Finding); err != nil {
			return f, nil, nil, err
		}
	}
	findings, err := guardduty.ParseEvent(raw)
	if err != nil {
		return f, nil, nil, fmt.Errorf("the finding: %w", err)
	}
	if len(findings) == 0 || len(findings[0].Instances) == 0 {
		return f, nil, nil, errors.New("the finding: it names no EC2 instance")
	}
	w, notes, err = c.world(findings[0])
	return findings[0], w, notes, err
}

func (c *drillCmd) world(f guardduty.Finding) (w *world.World, notes []string, err error) {
	switch {
	case c.World != "":
		w, err = readWorld(c.World)
	case c.Finding == "":
		w, err = simvpc.ParseWorld(builtinWorld)
	default:
		return worldOf(f)
	}
	return w, nil, err
}

// scope ends what a drill has started.
type scope []func()

// Cleanup adds what to do at the end.
func (s *scope) Cleanup(f func()) { *s = append(*s, f) }

func (s *scope) end() {
	for _, f := range *s {
		f()
	}
}

// rehearse contains the finding's first instance in a simulated VPC, through the
// real AWS SDK.
func rehearse(ctx context.Context, f guardduty.Finding, before *world.World) (*report, error) {
	var started scope
	defer started.end()
	server := simvpc.Start(&started, before, simvpc.Options{})
	client := vpc.New(aws.Config{
		Region: before.Region, BaseEndpoint: aws.String(server.URL), HTTPClient: vpc.HTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider("drill", "drill", ""),
	})
	policy := policy.Policy{
		Account: before.Account, Region: before.Region, MinSeverity: policy.DefaultMinSeverity, MaxContained: 1,
	}
	responder := &containment.Responder{
		EC2: client, Fleet: client, Ledger: &ledger.Memory{}, Policy: policy, Rules: plan.Rules{ACLQuota: network.DefaultACLQuota},
		Log: slog.New(slog.DiscardHandler), Now: time.Now, LedgerWait: time.Second,
	}
	decision := policy.Decide(f)
	in := plan.NewIncidents([]guardduty.Finding{f})[0]
	in.Reason, in.ByPerson = decision.Reason, decision.Verdict != record.Contain
	seen, err := client.Observe(ctx, in.Target(nil))
	if err != nil {
		return nil, fmt.Errorf("observing: %w", err)
	}
	plan, err := responder.Preview(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("planning: %w", err)
	}
	server.ClearLog()
	book := &ledger.Memory{}
	responder.Ledger = book
	start := time.Now()
	done, err := responder.Contain(ctx, in)
	if err != nil {
		return nil, err
	}
	r := &report{
		Finding: summarize(f, in), Decision: decision, Observed: observed(seen),
		Plan: answer.NewAnswer([]containment.Outcome{plan}), Answer: answer.NewAnswer([]containment.Outcome{done}),
		Calls: calls(server.Calls(), start), Flows: compare(in, before, server.World()),
	}
	r.Release, err = release(ctx, in, before, server, client, book)
	return r, err
}
