package operate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"golang.org/x/sync/errgroup"

	"tourniquet/lambda/plain"
	"tourniquet/lambda/record"
	"tourniquet/lambda/report"
	"tourniquet/lambda/tourniquet/console"
)

// ListCmd lists the open containments.
type ListCmd struct {
	Flags
	AllRegions bool `help:"Look in all Regions that the account has on; those without the stack are left out."`
}

// A listed is one open containment of the list.
type listed struct {
	Instance   string                `json:"instance"`
	Name       string                `json:"name"`
	Region     string                `json:"region"`
	Status     record.Status         `json:"status"`
	Generation int                   `json:"generation"`
	Since      time.Time             `json:"since"`
	Peers      int                   `json:"peers"`
	Denied     int                   `json:"denied"`
	Exposure   []record.ExposureKind `json:"exposure"`
}

// Run reads the ledgers and prints what is open.
func (cmd *ListCmd) Run(ctx context.Context, c *console.Console) error {
	s, err := open(ctx, c, cmd.Flags)
	if err != nil {
		return err
	}
	sessions := []*session{s}
	if cmd.AllRegions {
		if sessions, err = s.everywhere(ctx); err != nil {
			return err
		}
	}
	got := listAll(ctx, sessions, cmd.AllRegions)
	if err := got.failure(s); err != nil {
		return err
	}
	if cmd.JSON {
		err = printJSON(c.Out, map[string][]listed{"instances": got.instances})
	} else {
		printList(c, got.instances, cmd.AllRegions)
	}
	if err != nil {
		return err
	}
	return got.partly()
}

// everywhere is the session in each Region that the account has on.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeRegions.html
func (s *session) everywhere(ctx context.Context) ([]*session, error) {
	out, err := ec2.NewFromConfig(s.aws).DescribeRegions(ctx, &ec2.DescribeRegionsInput{})
	if err != nil {
		return nil, s.explain("listing the Regions", err)
	}
	var all []*session
	for _, r := range out.Regions {
		all = append(all, s.in(*r.RegionName))
	}
	return all, nil
}

// A listing is what several Regions hold.
type listing struct {
	instances []listed // the latest first
	stacks    int      // Regions that have the stack, and could be read
	failed    []error  // Regions that could not
}

// failure is the error of a listing with nothing to show.
func (l listing) failure(s *session) error {
	switch {
	case l.stacks > 0:
		return nil
	case len(l.failed) > 0:
		return l.failed[0]
	default:
		return s.noStack()
	}
}

// partly is the error of a listing that lacks some Regions.
func (l listing) partly() error {
	if len(l.failed) == 0 {
		return nil
	}
	return &Failure{Code: ExitPart, What: plain.Count(len(l.failed), "Region is", "Regions are") + " missing in the list", Err: errors.Join(l.failed...)}
}

// listAll reads the ledgers of several Regions side by side. Where several are asked,
// one without the stack is no error.
func listAll(ctx context.Context, sessions []*session, several bool) listing {
	var mu sync.Mutex
	var g errgroup.Group
	g.SetLimit(8)
	got := listing{instances: []listed{}}
	for _, s := range sessions {
		g.Go(func() error {
			open, err := s.list(ctx)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case several && errors.Is(err, errNoStack):
			case err != nil:
				got.failed = append(got.failed, err)
			default:
				got.instances, got.stacks = append(got.instances, open...), got.stacks+1
			}
			return nil
		})
	}
	_ = g.Wait() // what failed is kept
	slices.SortFunc(got.instances, func(a, b listed) int {
		return cmp.Or(b.Since.Compare(a.Since), strings.Compare(a.Instance, b.Instance))
	})
	return got
}

// list reads what one Region holds.
func (s *session) list(ctx context.Context) ([]listed, error) {
	st, err := s.find(ctx)
	if err != nil {
		return nil, err
	}
	return s.openContainments(ctx, st)
}

// readers is how many records are read at once.
const readers = 32

// openContainments reads the open containments of one ledger.
func (s *session) openContainments(ctx context.Context, st stack) ([]listed, error) {
	book := s.ledger(st)
	instances, err := book.Open(ctx)
	if err != nil {
		return nil, s.explain("reading the ledger", err)
	}
	records := make([]*record.Record, len(instances))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, instance := range instances {
		g.Go(func() error {
			known, err := book.Load(gctx, instance, nil)
			records[i] = known.Open()
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, s.explain("reading the ledger", err)
	}
	var all []listed
	for _, rec := range records {
		if rec != nil { // else it was released while we read
			all = append(all, s.listing(*rec))
		}
	}
	s.name(ctx, all)
	return all, nil
}

// name sets the Name tags of those whose record has none.
func (s *session) name(ctx context.Context, all []listed) {
	var unnamed []string
	for _, l := range all {
		if l.Name == "" {
			unnamed = append(unnamed, l.Instance)
		}
	}
	if len(unnamed) == 0 {
		return
	}
	names, err := s.names(ctx, unnamed)
	if err != nil {
		fmt.Fprintln(s.console.Err, s.explain("names are not shown", err))
	}
	for i := range all {
		if name := names[all[i].Instance]; name != "" {
			all[i].Name = name
		}
	}
}

func (s *session) listing(rec record.Record) listed {
	d := report.New(rec, nil, s.console.Now())
	l := listed{
		Instance: rec.Instance, Name: d.Name, Region: s.aws.Region, Status: rec.Status, Generation: rec.Generation,
		Since: rec.Opened, Peers: len(rec.Peers), Denied: plain.Denied(d.Incident.Steps), Exposure: []record.ExposureKind{},
	}
	for _, e := range rec.Exposure {
		if !slices.Contains(l.Exposure, e.Kind) {
			l.Exposure = append(l.Exposure, e.Kind)
		}
	}
	return l
}

// wide is the width from which the list names the kinds of exposure; below, it counts
// them.
const wide = 110

// shortStatuses are statuses in a word, for the list.
var shortStatuses = map[record.Status]string{record.PartiallyContained: "in part"}

// printList prints the open containments as a table.
func printList(c *console.Console, all []listed, regions bool) {
	if len(all) == 0 {
		fmt.Fprintln(c.Out, "No instance is contained.")
		return
	}
	headers := []string{"INSTANCE", "NAME", "STATUS", "SINCE", "DENIED", "EXPOSURE"}
	if regions {
		headers = slices.Insert(headers, 1, "REGION")
	}
	var rows [][]console.Cell
	for _, l := range all {
		row := []console.Cell{
			{Text: clean(l.Instance), Style: console.Strong},
			console.Plain(plain.Line(l.Name, max(10, c.Width-70))),
			{Text: cmp.Or(shortStatuses[l.Status], clean(string(l.Status))), Style: styleOf(l.Status)},
			console.Plain(plain.Ago(l.Since, c.Now())), console.Plain(fmt.Sprintf("%d of %d", l.Denied, l.Peers)),
			console.Plain(exposed(l.Exposure, c.Width)),
		}
		if regions {
			row = slices.Insert(row, 1, console.Plain(l.Region))
		}
		rows = append(rows, row)
	}
	fmt.Fprint(c.Out, c.Table(headers, rows))
	fmt.Fprintln(c.Out, console.Faint.Render(plain.Count(len(all), "instance is contained", "instances are contained")+". More of one: tourniquet show INSTANCE"))
}

// exposed names the kinds of exposure, or counts them where there is little room.
func exposed(list []record.ExposureKind, width int) string {
	if width < wide {
		return plain.Count(len(list), "kind", "kinds")
	}
	return kinds(list)
}

func kinds(list []record.ExposureKind) string {
	var names []string
	for _, k := range list {
		names = append(names, clean(string(k)))
	}
	return strings.Join(names, ", ")
}
