package containment_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"tourniquet/lambda/containment"
	"tourniquet/lambda/flowlog"
	"tourniquet/lambda/host"
	"tourniquet/lambda/keep"
	"tourniquet/lambda/ledger"
	"tourniquet/lambda/network"
	"tourniquet/lambda/plan"
	"tourniquet/lambda/policy"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/vpc"
)

// A call is one call of an API, of EC2's or of the ledger's.
type call struct {
	op       string
	mutating bool
	ledger   bool
	params   string

	elsewhere bool // neither of EC2 nor of the ledger
}

// A gate decides about every call of a process: it may wait, and its answer says
// what becomes of the call. Calls that are made side by side ask it side by side.
type gate func(ctx context.Context, c call) fate

// fate is what becomes of a call.
type fate int

const (
	passes    fate = iota
	lost           // it is carried out, and its answer is lost
	neverMade      // it is not carried out, and fails
	empty          // a read that shows nothing, as EC2 may when a part of it is behind
)

var (
	errLostAnswer = errors.New("connection reset")
	errNeverMade  = errors.New("connection refused")
)

// A process is one invocation of either function, on a world and a ledger that it
// shares with others. Its calls go through its gate, without a network.
type process struct {
	server *simvpc.Server
	book   *ledger.Memory
	gate   gate
	now    func() time.Time
	rungs  plan.Rules // which measures are turned on; the zero Rules: none

	// busy: EC2 throttles the first call, so that the process takes calls for scarce.
	busy atomic.Bool
}

// Do is a call of EC2's, for the SDK.
func (p *process) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, err
	}
	if p.busy.CompareAndSwap(true, false) {
		body := "<Response><Errors><Error><Code>RequestLimitExceeded</Code><Message>Request limit exceeded.</Message></Error></Errors></Response>"
		return &http.Response{
			StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r,
		}, nil
	}
	op, ofEC2 := form.Get("Action"), true
	params := form.Encode()
	if _, name, ok := strings.Cut(r.Header.Get("X-Amz-Target"), "."); ok {
		op, params, ofEC2 = name, string(body), false
	}
	reads := strings.HasPrefix(op, "Describe") || strings.HasPrefix(op, "Get") || strings.HasPrefix(op, "Filter")
	f := p.gate(r.Context(), call{op: op, mutating: !reads, elsewhere: !ofEC2, params: params})
	if f == neverMade {
		return nil, errNeverMade
	}
	if f == empty {
		body := fmt.Sprintf("<%sResponse><requestId>r</requestId></%sResponse>", op, op)
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	}
	// What has been sent is carried out, whether or not the caller waits for it.
	r = r.Clone(context.WithoutCancel(r.Context()))
	r.Body = io.NopCloser(bytes.NewReader(body))
	w := httptest.NewRecorder()
	p.server.ServeHTTP(w, r)
	if f == lost {
		return nil, errLostAnswer
	}
	return w.Result(), nil
}

// through makes one call of the ledger's.
func through[T any](ctx context.Context, p *process, c call, do func() (T, error)) (T, error) {
	var none T
	f := p.gate(ctx, c)
	if f == neverMade {
		return none, errNeverMade
	}
	v, err := do()
	if f == lost {
		return none, errLostAnswer
	}
	return v, err
}

func (p *process) Load(ctx context.Context, instance string, vpcs []string) (record.Known, error) {
	return through(ctx, p, call{op: "Load", mutating: false, ledger: true}, func() (record.Known, error) {
		return p.book.Load(context.WithoutCancel(ctx), instance, vpcs)
	})
}

func (p *process) Commit(ctx context.Context, c record.Change) error {
	_, err := through(ctx, p, call{op: "Commit", mutating: true, ledger: true}, func() (struct{}, error) {
		return struct{}{}, p.book.Commit(context.WithoutCancel(ctx), c)
	})
	return err
}

func (p *process) Note(ctx context.Context, e record.Event, owed ...record.Owed) error {
	_, err := through(ctx, p, call{op: "Note", mutating: true, ledger: true}, func() (struct{}, error) {
		return struct{}{}, p.book.Note(context.WithoutCancel(ctx), e, owed...)
	})
	return err
}

func (p *process) Asked(ctx context.Context, instance, request string, now time.Time) (time.Time, error) {
	return through(ctx, p, call{op: "Asked", mutating: true, ledger: true}, func() (time.Time, error) {
		return p.book.Asked(context.WithoutCancel(ctx), instance, request, now)
	})
}

func (p *process) Lease(ctx context.Context, name, holder string, now, until time.Time) error {
	_, err := through(ctx, p, call{op: "Lease", mutating: true, ledger: true}, func() (struct{}, error) {
		return struct{}{}, p.book.Lease(context.WithoutCancel(ctx), name, holder, now, until)
	})
	return err
}

func (p *process) EndLease(ctx context.Context, name, holder string) error {
	_, err := through(ctx, p, call{op: "EndLease", mutating: true, ledger: true}, func() (struct{}, error) {
		return struct{}{}, p.book.EndLease(context.WithoutCancel(ctx), name, holder)
	})
	return err
}

func (p *process) Open(ctx context.Context) ([]string, error) {
	return through(ctx, p, call{op: "Open", mutating: false, ledger: true}, func() ([]string, error) { return p.book.Open(context.WithoutCancel(ctx)) })
}

func (p *process) Slots(ctx context.Context, vpcs []string) ([]record.Slot, error) {
	return through(ctx, p, call{op: "Slots", mutating: false, ledger: true}, func() ([]record.Slot, error) {
		return p.book.Slots(context.WithoutCancel(ctx), vpcs)
	})
}

func (p *process) Containment(ctx context.Context, instance string, generation int) (*record.Record, error) {
	return through(ctx, p, call{op: "Containment", mutating: false, ledger: true}, func() (*record.Record, error) {
		return p.book.Containment(context.WithoutCancel(ctx), instance, generation)
	})
}

func (p *process) VPCs(ctx context.Context) ([]string, error) {
	return through(ctx, p, call{op: "VPCs", mutating: false, ledger: true}, func() ([]string, error) { return p.book.VPCs(context.WithoutCancel(ctx)) })
}

func (p *process) MarkVPC(ctx context.Context, vpc string, used bool) error {
	_, err := through(ctx, p, call{op: "MarkVPC", mutating: true, ledger: true}, func() (struct{}, error) {
		return struct{}{}, p.book.MarkVPC(context.WithoutCancel(ctx), vpc, used)
	})
	return err
}

func (p *process) config() aws.Config {
	return aws.Config{
		Region: "eu-central-1", BaseEndpoint: aws.String("http://ec2.invalid"), HTTPClient: p,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDTEST", "SECRET", ""),
	}
}

func (p *process) client() *vpc.Client { return vpc.New(p.config()) }

func (p *process) responder() *containment.Responder {
	ec2, rules, keeping := p.client(), p.rungs, keep.New(p.config())
	rules.ACLQuota = network.DefaultACLQuota
	hosts := p.hosts()
	beside := keptBy(keeping)
	beside[record.KindHost], beside[record.KindFlowLog] = host.Isolating{Client: hosts}, flowlog.Making{Client: p.flows()}
	return &containment.Responder{
		EC2: ec2, Fleet: ec2, Ledger: p, Policy: policy.Policy{MaxContained: 25}, Rules: rules, Hosts: hosts,
		Keeping: keeping, Beside: beside,
		Log: slog.New(slog.DiscardHandler), Now: p.now, LedgerWait: time.Minute,
	}
}

func (p *process) flows() *flowlog.Client {
	return &flowlog.Client{Group: "flows", Role: "arn:aws:iam::111122223333:role/deliver", Config: p.hosts().Config}
}

func (p *process) watch(ctx context.Context) error {
	w := &containment.Watcher{Responder: p.responder(), Book: p, Flows: p.flows()}
	_, err := w.Watch(ctx, "watch")
	return err
}

func (p *process) hosts() *host.Client {
	return &host.Client{Isolate: host.IsolateName, Restore: host.RestoreName, Config: aws.Config{
		Region: "eu-central-1", BaseEndpoint: aws.String("http://ssm.invalid"), HTTPClient: p,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDTEST", "SECRET", ""),
	}}
}

// keptBy has one take every step that keeps an instance.
func keptBy(keeping containment.Measures) map[record.Kind]containment.Measures {
	beside := map[record.Kind]containment.Measures{}
	for _, k := range record.Keeping {
		beside[k] = keeping
	}
	return beside
}

func (p *process) contain(ctx context.Context, in plan.Incident) error {
	_, err := p.responder().Contain(ctx, in)
	return err
}

func (p *process) reconcile(ctx context.Context) error {
	r := &containment.Reconciler{Responder: p.responder(), Book: p}
	_, err := r.Reconcile(ctx, "reconcile")
	return err
}

func (p *process) releaser() *containment.Releaser {
	hosts := p.hosts()
	return &containment.Releaser{
		Beside: map[record.Kind]containment.Measures{record.KindHost: host.Restoring{Client: hosts}, record.KindFlowLog: flowlog.Deleting{Client: p.flows()}},
		Hosts:  hosts,
		EC2:    &vpc.Reverter{Client: p.client()}, Keeper: &keep.Reverter{Client: keep.New(p.config())}, Ledger: p, Book: p, Leases: p, Log: slog.New(slog.DiscardHandler), Now: p.now, LedgerWait: time.Minute,
	}
}

func (p *process) release(ctx context.Context, instance string) error {
	_, err := p.releaser().Release(ctx, containment.Ask{Instance: instance, Reason: "released", Request: "release"})
	return err
}

func (p *process) expire(ctx context.Context) error {
	_, err := p.releaser().Expire(ctx, "expire")
	return err
}

// always lets every call pass.
func always(context.Context, call) fate { return passes }

// meaning is what the ledger says, without what depends on how often it was told:
// versions, times and histories.
func meaning(book *ledger.Memory) string {
	var b bytes.Buffer
	for _, r := range book.Records() {
		for i := range r.Peers {
			if r.Peers[i].From != "" { // when it was read is not the same twice
				r.Peers[i].Seen = time.Time{}
			}
		}
		fmt.Fprintf(&b, "%s %s peers %v\n", r.Holder(), r.Status, r.Peers)
		for _, s := range r.Steps {
			fmt.Fprintf(&b, "  %s %s", s.State, s.Step.ID())
			switch step := s.Step.(type) {
			case record.Replacement:
				fmt.Fprintf(&b, " %v", step.Before)
			case record.Creation:
				if step.Of == record.KindSnapshot {
					fmt.Fprintf(&b, " %v", step.Made)
				}
			}
			b.WriteByte('\n')
		}
	}
	for _, s := range book.AllSlots() {
		fmt.Fprintf(&b, "%s %s %d %s %v %s\n", s.ACL, s.Direction, s.Number, s.Prefix, s.Holders, s.State)
	}
	open, _ := book.Open(context.Background())
	count, _ := book.GuardCount(context.Background())
	fmt.Fprintf(&b, "open %v, guard %d\n", open, count)
	return b.String()
}
