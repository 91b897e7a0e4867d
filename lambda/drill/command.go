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
	finding, w, notes, err := c.read()
	if err != nil {
		return err
	}
	show := newScreen(out, terminal, c.Speed)
	show.done = ctx.Done()
	if c.JSON || c.drawn() {
		show = silent()
	}
	report, err := rehearse(ctx, finding, w, notes, show, c.Naive)
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

// read reads the finding, and the world to rehearse in. The notes say what that
// has otherwise than the finding.
func (c *Command) read() (f guardduty.Finding, w *world.World, notes []string, err error) {
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

func (c *Command) world(f guardduty.Finding) (w *world.World, notes []string, err error) {
	switch {
	case c.World != "":
		w, err = ReadWorld(c.World)
	case c.Finding == "":
		w, err = simvpc.ParseWorld(BuiltinWorld)
	default:
		return scene.Of(f)
	}
	return w, nil, err
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
