// Package ssm is the part of AWS Systems Manager that runs commands on the
// instances of a simulated VPC.
package ssm

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/wire"
	"tourniquet/lambda/simvpc/world"
)

// Options says how a Systems Manager behaves.
type Options struct {
	// Documents are the names of the documents there are; nil means
	// tourniquet-isolate and tourniquet-restore. One whose name has "isolate" in it
	// has an instance set rules of its own, one with "restore" take them away.
	Documents []string
	// Lag is how long a command is unknown to the calls that ask for its result
	// (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_GetCommandInvocation.html).
	Lag wire.Lag
	// Host runs a command on an instance; nil means Honest.
	Host Host
}

// A Run is one command on one instance.
type Run struct {
	Command, Instance, Document string
	// World is the world as it is then, to read.
	World *world.World
}

// An Output is what a run prints and does.
type Output struct {
	Stdout, Stderr string
	Code           int           // exit status
	Takes          time.Duration // until it ends
	Silent         bool          // the result never arrives
	Forged         bool          // it did nothing, whatever it says
}

// A Host runs a command. It must not change the world.
type Host func(Run) Output

// A Service is Systems Manager. It is called by one at a time.
type Service struct {
	opts     Options
	commands []*command
	last     int // number of the last command
}

// New returns a Systems Manager to which no command was given.
func New(opts Options) *Service {
	if opts.Documents == nil {
		opts.Documents = []string{"tourniquet-isolate", "tourniquet-restore"}
	}
	if opts.Host == nil {
		opts.Host = Honest
	}
	return &Service{opts: opts}
}

// SetHost changes who runs the commands from now on; nil means Honest.
func (s *Service) SetHost(h Host) {
	if h == nil {
		h = Honest
	}
	s.opts.Host = h
}

// Protocol is JSON.
func (s *Service) Protocol() *wire.Protocol { return wire.JSON }

// Operation finds an action of the API.
func (s *Service) Operation(name string) (wire.Operation, bool) {
	op, ok := map[string]wire.Operation{
		"SendCommand":                 {Mutating: true, Run: s.send},
		"GetCommandInvocation":        {Run: s.get},
		"ListCommandInvocations":      {Run: s.list},
		"DescribeInstanceInformation": {Run: s.describe},
	}[name]
	return op, ok
}

// A command was sent to one instance.
type command struct {
	id, document, instance, comment string
	sent, expires                   time.Time
	lag                             *wire.Delay
	delivered, ends                 time.Time // zero until then
	output                          Output
}

// How long a command may wait for delivery and then run, where the call says
// nothing (https://docs.aws.amazon.com/systems-manager/latest/userguide/monitor-commands.html).
const (
	defaultDelivery = 3600 * time.Second
	runTime         = 60 * time.Second // of a step, as the documents say
	mostInstances   = 50
)

// Pass delivers what can be delivered, and lets what has run take effect.
func (s *Service) Pass(w *world.World, now time.Time) bool {
	changed := false
	for _, c := range s.commands {
		if c.delivered.IsZero() && !now.After(c.expires) && reachable(w, c.instance) {
			s.deliver(w, c, now)
			changed = true
		}
	}
	return changed
}

// reachable reports whether commands reach an agent: over a connection of its own
// that passes, or over one that it can make. Where the world lists none, they do.
func reachable(w *world.World, instance string) bool {
	i := w.Instance(instance)
	if i == nil || i.State != "running" || !i.Managed {
		return false
	}
	listed := false
	for _, f := range w.Flows {
		n := w.Holder(f.From.Addr())
		if !f.Agent || n == nil || n.Instance != instance {
			continue
		}
		listed = true
		if oracle.Passes(w, *f).Passes || oracle.Connects(w, *f).Passes {
			return true
		}
	}
	return !listed
}

// deliver runs a command. What it does to the world is done at once.
func (s *Service) deliver(w *world.World, c *command, now time.Time) {
	c.delivered = now
	c.output = s.opts.Host(Run{c.id, c.instance, c.document, w})
	c.ends = now.Add(c.output.Takes)
	i := w.Instance(c.instance)
	if c.output.Code != 0 || c.output.Forged || i == nil {
		return
	}
	switch {
	case strings.Contains(c.document, "isolate"):
		i.Isolated = true
		closeSockets(w, c.instance)
	case strings.Contains(c.document, "restore"):
		i.Isolated = false
	}
}

// closeSockets ends the TCP connections of an instance, but those of its agent.
func closeSockets(w *world.World, instance string) {
	w.Flows = slices.DeleteFunc(w.Flows, func(f *world.Flow) bool { return closes(w, f, instance) })
}

// closes reports whether isolating an instance closes a flow.
func closes(w *world.World, f *world.Flow, instance string) bool {
	from, to := w.Holder(f.From.Addr()), w.Holder(f.To.Addr())
	here := from != nil && from.Instance == instance
	there := to != nil && to.Instance == instance
	return f.Protocol == world.TCP && !f.Agent && here != there
}

// Honest is a host that does what it is told and says so: the connections it had,
// and a last line of JSON.
func Honest(r Run) Output {
	var b strings.Builder
	closed := 0
	for _, f := range r.World.Flows {
		if closes(r.World, f, r.Instance) {
			closed++
			fmt.Fprintf(&b, "tcp %s %s 0 %d sh /usr/bin/dash\n", f.From, f.To, 4000+closed)
		}
	}
	rules := "nft"
	if i := r.World.Instance(r.Instance); i != nil && i.Windows {
		rules = "windows"
	}
	if strings.Contains(r.Document, "restore") {
		b.Reset()
		closed, rules = 0, "none"
	}
	fmt.Fprintf(&b, `{"version":1,"rules":%q,"closed":%d,"left":0,"truncated":false,"error":""}`+"\n", rules, closed)
	return Output{Stdout: b.String()}
}

type sendInput struct {
	Alarms        any                 `json:"AlarmConfiguration"`
	Instances     []string            `json:"InstanceIds"`
	Targets       []any               `json:"Targets"`
	Document      string              `json:"DocumentName"`
	Version       string              `json:"DocumentVersion"`
	Hash          string              `json:"DocumentHash"`
	HashType      string              `json:"DocumentHashType"`
	Timeout       *int                `json:"TimeoutSeconds"`
	Comment       string              `json:"Comment"`
	Parameters    map[string][]string `json:"Parameters"`
	Concurrency   string              `json:"MaxConcurrency"`
	Errors        string              `json:"MaxErrors"`
	Notifications any                 `json:"NotificationConfig"`
}

// send gives a command to instances. It is the check whether they are managed, too
// (https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_SendCommand.html).
func (s *Service) send(r *wire.Request) (any, error) {
	in, err := wire.Decode[sendInput](r)
	if err != nil {
		return nil, err
	}
	document, err := s.document(in)
	if err != nil {
		return nil, err
	}
	if err := in.check(r.World); err != nil {
		return nil, err
	}
	wait := defaultDelivery
	if in.Timeout != nil {
		wait = time.Duration(*in.Timeout) * time.Second
	}
	s.last++
	id := fmt.Sprintf("00000000-0000-4000-8000-%012x", s.last)
	for _, instance := range in.Instances {
		c := &command{
			id: id, document: document, instance: instance, comment: in.Comment, sent: r.Now, expires: r.Now.Add(wait),
			lag: s.opts.Lag.Begin(r.Now),
		}
		s.commands = append(s.commands, c)
		if reachable(r.World, instance) {
			s.deliver(r.World, c, r.Now)
		}
	}
	return map[string]any{"Command": map[string]any{
		"CommandId": id, "DocumentName": in.Document, "InstanceIds": in.Instances, "Status": "Pending", "StatusDetails": "Pending",
		"TargetCount": len(in.Instances), "RequestedDateTime": seconds(r.Now), "ExpiresAfter": seconds(r.Now.Add(wait + runTime)),
	}}, nil
}

// check refuses instances that are not managed, and values out of range.
func (in *sendInput) check(w *world.World) error {
	switch {
	case len(in.Instances) == 0 || len(in.Instances) > mostInstances || len(in.Targets) > 0:
		return wire.Fail("ValidationException", "simvpc wants 1 to %d InstanceIds, and no Targets", mostInstances)
	case in.Timeout != nil && (*in.Timeout < 30 || *in.Timeout > 2_592_000):
		return wire.Fail("ValidationException", "TimeoutSeconds: %d is not from 30 to 2592000", *in.Timeout)
	}
	for n, id := range in.Instances {
		if !manageable(w.Instance(id)) {
			return wire.Fail("InvalidInstanceId", "Instances [[%s]] not in a valid state for account %s", id, w.Account)
		}
		if slices.Contains(in.Instances[:n], id) {
			return wire.Fail("DuplicateInstanceId", "%s is given twice", id)
		}
	}
	return nil
}

// manageable reports whether commands can be given to an instance, though they may
// wait until it runs.
func manageable(i *world.Instance) bool {
	return i != nil && i.Managed && i.State != "terminated" && i.State != "shutting-down"
}

// document checks which document a call names, by name or ARN.
func (s *Service) document(in *sendInput) (string, error) {
	name := in.Document[strings.LastIndexByte(in.Document, '/')+1:]
	switch {
	case !slices.Contains(s.opts.Documents, name):
		return "", wire.Fail("InvalidDocument", "document %s does not exist.", cmp.Or(in.Document, "without a name"))
	case len(in.Parameters) > 0:
		return "", wire.Fail("InvalidParameters", "the document %s has no parameters", name)
	}
	return name, nil
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
