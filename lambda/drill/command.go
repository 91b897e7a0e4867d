package drill

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"tourniquet/lambda/drill/scene"
	"tourniquet/lambda/guardduty"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/world"
)

// BuiltinWorld is the text of the world that a drill without arguments is in.
//
//go:embed world.txt
var BuiltinWorld string

//go:embed finding.json
var builtinFinding []byte

// ErrStillOpen is the error of a drill after which a peer still gets through.
var ErrStillOpen = errors.New("a flow with a peer still passes")

// Command is the drill on the command line.
type Command struct {
	Finding string  `arg:"" optional:"" help:"File with a GuardDuty finding, in any form that the function accepts. Without it: a built-in one."`
	World   string  `help:"File with the world to rehearse in. Without it: one made from the finding's instance details."`
	JSON    bool    `name:"json" help:"Print JSON."`
	Naive   bool    `help:"Stop after a swap of the security groups alone, and show what is still alive."`
	SVG     string  `name:"svg" enum:"none,light,dark" default:"none" help:"Print a picture of the drill, for a light or a dark page."`
	Speed   float64 `default:"1" help:"How fast the drill is shown on a terminal: 2 is twice as fast."`
}

// Run rehearses a containment and prints what became of each flow, live where there is
// a terminal. The error is ErrStillOpen when a peer's flow still passes.
func (c *Command) Run(ctx context.Context, out io.Writer, terminal Terminal) error {
	if c.Speed <= 0 {
		return fmt.Errorf("invalid speed %v: want more than 0", c.Speed)
	}
	p, err := c.read()
	if err != nil {
		return err
	}
	show := newScreen(out, terminal, c.Speed)
	show.done = ctx.Done()
	if c.JSON || c.drawn() {
		show = silent()
	}
	report, err := rehearse(ctx, p, show, c.Naive)
	if err != nil {
		return err
	}
	switch {
	case c.JSON:
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		err = enc.Encode(report)
	case c.drawn():
		_, err = io.WriteString(out, report.picture(c.SVG == "dark"))
	default:
		report.print(show)
		err = show.err
	}
	if err == nil && report.open() {
		return ErrStillOpen
	}
	return err
}

// drawn reports whether a picture is asked for.
func (c *Command) drawn() bool { return c.SVG == "light" || c.SVG == "dark" }

// A script is what a drill rehearses.
type script struct {
	finding guardduty.Finding
	world   *world.World
	notes   []string // what the world has otherwise than the finding
	builtin bool     // the finding and the world are those of this package
}

// read reads the finding, and the world to rehearse in.
func (c *Command) read() (script, error) {
	raw, p := builtinFinding, script{builtin: c.Finding == "" && c.World == ""}
	if c.Finding != "" {
		var err error
		if raw, err = os.ReadFile(c.Finding); err != nil {
			return p, err
		}
	}
	findings, err := guardduty.ParseEvent(raw)
	if err != nil {
		return p, fmt.Errorf("the finding: %w", err)
	}
	if len(findings) == 0 || len(findings[0].Instances) == 0 {
		return p, errors.New("the finding: it names no EC2 instance")
	}
	p.finding = findings[0]
	switch {
	case c.World != "":
		p.world, err = ReadWorld(c.World)
	case c.Finding == "":
		p.world, err = simvpc.ParseWorld(BuiltinWorld)
	default:
		p.world, p.notes, err = scene.Of(p.finding)
	}
	return p, err
}

// ReadWorld reads a file with a world.
func ReadWorld(file string) (*world.World, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the file that the user names
	if err != nil {
		return nil, err
	}
	w, err := simvpc.ParseWorld(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return w, nil
}
