package drill

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"tourniquet/lambda/packets"
	"tourniquet/lambda/packets/clock"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/oracle"
	"tourniquet/lambda/simvpc/world"
	"tourniquet/lambda/vpc"
)

// A stage is a simulated VPC with an EC2 in front of it and traffic in it.
type stage struct {
	server *simvpc.Server
	client *vpc.Client
	config aws.Config

	net   *packets.VPC
	talks map[string]*packets.Talk // the world's flows that stand, by their text
	notes []string                 // what can't be shown with packets, and why
	ports uint16                   // of attempts: each has its own
}

// scope ends what a drill has started, the latest first.
type scope []func()

// Cleanup adds what to do at the end.
func (s *scope) Cleanup(f func()) { *s = append(*s, f) }

func (s *scope) end() {
	for i := len(*s) - 1; i >= 0; i-- {
		(*s)[i]()
	}
}

// patience is how long a connection may take to come about, in real time.
const patience = 3 * time.Second

// newStage serves a world and opens its connections. Its clock runs at that speed.
func newStage(ctx context.Context, started *scope, w *world.World, speed float64) *stage {
	s := &stage{talks: map[string]*packets.Talk{}, ports: 50555}
	s.server = simvpc.Start(started, w, simvpc.Options{})
	s.config = aws.Config{
		Region: w.Region, BaseEndpoint: aws.String(s.server.URL), HTTPClient: vpc.NewHTTPClient(),
		Credentials: credentials.NewStaticCredentialsProvider("drill", "drill", ""),
	}
	s.client = vpc.New(s.config)
	c := clock.New(time.Now(), speed)
	net, err := packets.New(s.server, c)
	if err != nil {
		s.notes = append(s.notes, fmt.Sprintf("all, since no packets move: %s", err))
		c.Stop()
		return s
	}
	s.net = net
	started.Cleanup(net.Close)
	for _, f := range w.Flows {
		s.establish(ctx, w, *f)
	}
	return s
}

// establish opens one of the world's connections.
func (s *stage) establish(ctx context.Context, w *world.World, f world.Flow) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	talk, err := s.net.Talk(ctx, f, packets.Shell(hostname(w, f)))
	if err == nil {
		s.talks[f.String()] = talk
		_, _ = talk.Alive() // something is exchanged over it, as over any connection that stands
		return
	}
	var stopped *packets.StoppedError
	if errors.As(err, &stopped) && !oracle.Passes(w, f).Passes {
		return // it doesn't stand, and doesn't pass
	}
	s.notes = append(s.notes, fmt.Sprintf("%s: %s", f, err))
}

// hostname is what the instance at the inside end of a flow is called.
func hostname(w *world.World, f world.Flow) string {
	n := w.Holder(f.From.Addr())
	if n == nil {
		n = w.Holder(f.To.Addr())
	}
	if n == nil {
		return "localhost"
	}
	if i := w.Instance(n.Instance); i != nil {
		return cmp.Or(i.Tags["Name"], i.ID)
	}
	return n.ID
}

// A verdict says whether packets of a flow get through, and why.
type verdict struct {
	passes bool
	why    string
	packet bool // packets showed it
}

// passes tries a connection that stood before.
func (s *stage) passes(f world.Flow) verdict {
	known := oracle.Passes(s.server.World(), f)
	talk := s.talks[f.String()]
	if talk == nil {
		return verdict{known.Passes, known.Why, false}
	}
	before := talk.Count().Bytes
	alive, stopped := talk.Alive()
	switch {
	case alive:
		return verdict{true, cmp.Or(known.Why, "answered"), true}
	case f.Protocol != world.TCP && talk.Count().Bytes > before:
		return verdict{true, "one way only: " + stopped.String(), true}
	default:
		return verdict{false, stopped.String(), true}
	}
}

// connects tries a new connection.
func (s *stage) connects(ctx context.Context, f world.Flow) verdict {
	known := oracle.Connects(s.server.World(), f)
	if s.net == nil {
		return verdict{known.Passes, known.Why, false}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	s.ports++
	f.From = netip.AddrPortFrom(f.From.Addr(), s.ports)
	c, err := s.net.Connect(ctx, f)
	if err == nil {
		c.Close()
		return verdict{true, known.Why, true}
	}
	var stopped *packets.StoppedError
	if errors.As(err, &stopped) {
		return verdict{false, stopped.Reason.String(), true}
	}
	return verdict{known.Passes, known.Why, false}
}

// pass lets time go by for packets, for the oracle's flows, and for what AWS does by
// itself.
func (s *stage) pass(d time.Duration) {
	if s.net != nil {
		s.net.Clock.Pass(d)
	}
	s.server.Advance(d)
}
